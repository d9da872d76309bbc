"""The few forms that reports are made of. What is not :data:`Html` yet is escaped here, and nowhere else."""

import html
from collections.abc import Sequence
from typing import Literal, NewType

from ran_deploy.report.style import CSS

Html = NewType("Html", str)
"""Text that is markup already, so that a type checker finds whatever would get in unescaped."""
NOTHING = Html("")
Align = Literal["", "left", "text"]
"""How a column is set: numbers to the right, short words to the left on one line, or running text."""


def text(value: str) -> Html:
    """Return words as markup; control characters, which no page may hold, become U+FFFD."""
    shown = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in value)
    return Html(html.escape(shown))


def join(parts: Sequence[Html], between: str = "\n") -> Html:
    """Return the parts that are not empty, one after another."""
    return Html(between.join(part for part in parts if part))


def element(tag: str, content: Html, *, kind: str = "") -> Html:
    """Return content in an element, with a class if one is named."""
    opened = f'{tag} class="{html.escape(kind)}"' if kind else tag
    return Html(f"<{opened}>{content}</{tag}>")


def paragraph(words: str, *, kind: str = "") -> Html:
    """Return words as a paragraph."""
    return element("p", text(words), kind=kind)


def cell(words: str, below: str = "", *, kind: str = "") -> Html:
    """Return the content of a table's cell: words, and smaller ones below them."""
    inside = element("span", text(words), kind=kind) if kind else text(words)
    return Html(inside + (f"<small>{text(below)}</small>" if below else ""))


def digest(sha256: str) -> Html:
    """Return the beginning of a hash; the whole of it is in its title, and is said to a screen reader."""
    whole = text(sha256)
    return Html(f'<code><abbr title="{whole}">{text(sha256[:12])}</abbr></code>')


def code(words: str) -> Html:
    """Return words as code within a line."""
    return element("code", text(words))


def commands(lines: str) -> Html:
    """Return one or more command lines as a block."""
    return element("pre", element("code", text(lines)))


def bullets(items: Sequence[Html]) -> Html:
    """Return a list."""
    return element("ul", join([element("li", item) for item in items], ""))


def cards(entries: Sequence[tuple[str, str, str]]) -> Html:
    """Return what stands on top of a report, each: what it is, the number, and what belongs to it."""
    inside = "".join(
        f'<div class="card"><small>{text(what)}</small><b>{text(value)}</b><small>{text(more)}</small></div>'
        for what, value, more in entries
    )
    return Html(f'<div class="cards">{inside}</div>')


def facts(pairs: Sequence[tuple[str, str]], *, as_code: bool = False) -> Html:
    """Return names with their values."""
    shown = code if as_code else text
    return element("dl", Html("".join(f"<dt>{text(what)}</dt><dd>{shown(value)}</dd>" for what, value in pairs)))


def table(
    name: str, header: Sequence[str], rows: Sequence[Sequence[Html]], *, align: Sequence[Align] = (), foot: str = ""
) -> Html:
    """Return a table that scrolls within its own box, where the keyboard reaches it.

    Args:
        name: What a screen reader calls it.
        header: Names of the columns.
        rows: Cells; the first of each row is its heading.
        align: How the first columns are set; the others hold numbers.
        foot: Words below it.
    """
    kinds = [*align, *[""] * (len(header) - len(align))]
    classes = [f' class="{kind}"' if kind else "" for kind in kinds]
    head = "".join(f'<th scope="col"{kind}>{text(title)}</th>' for title, kind in zip(header, classes, strict=True))
    body = []
    for row in rows:
        cells = [f"<td{kind}>{content}</td>" for content, kind in zip(row, classes, strict=True)]
        body.append(f'<tr><th scope="row"{classes[0]}>{row[0]}</th>{"".join(cells[1:])}</tr>')
    below = element("p", text(foot), kind="soft") if foot else NOTHING
    return Html(
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(name)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{below}"
    )


def folded(summary: str, content: Html) -> Html:
    """Return content that is folded on a screen and open on paper."""
    return Html(f"<details><summary>{text(summary)}</summary>{content}</details>")


def notes(items: Sequence[str]) -> Html:
    """Return remarks in a box of their own; nothing where there are none."""
    return element("div", bullets([text(item) for item in items]), kind="notes") if items else NOTHING


def document(title: str, *, header: Html, main: Html, footer: str) -> str:
    """Return a whole page: styles and pictures inside, nothing from outside, no script."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        '<body>\n<a class="skip" href="#main">Skip to the content</a>\n'
        f'<header>\n{header}\n</header>\n<main id="main">\n{main}\n</main>\n'
        f"<footer><p>{text(footer)}</p></footer>\n</body>\n</html>\n"
    )
