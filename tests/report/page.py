"""A report as a parser sees it: what is open, what was met, what points outside."""

from html.parser import HTMLParser

_VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Parses a whole page; an end tag that does not fit fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        """Elements that were not closed."""
        self.met: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.inside: dict[str, list[str]] = {}
        """The words within each section, by its id."""
        self._section = ""
        self.feed(text)
        self.close()

    @property
    def words(self) -> str:
        """All words, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def section(self, name: str) -> str:
        """Return the words of a section, with single spaces."""
        return " ".join(" ".join(self.inside[name]).split())

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, in order."""
        return [value for key, value in self.attributes if key == name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())
        if tag == "section":
            self._section = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        self.text.append(data)
        self.inside.setdefault(self._section, []).append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag == "section":
            self._section = dict(attrs).get("id") or ""


def check_sound(text: str) -> Page:
    """Check what holds for every report, and return it parsed.

    It is well formed, needs nothing from outside and no script, has its landmarks and its headings in order, and
    behind each picture there are its numbers.
    """
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.met)
    assert not [name for name, _ in page.attributes if name in ("src", "srcset", "action") or name.startswith("on")]
    assert 'lang="en"' in text
    for outside in ("http:", "https:", "//", "url(", "@import", "javascript:"):
        assert outside not in text.replace("http-equiv", ""), outside
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    for target in page.values("href"):
        assert target in [f"#{name}" for name in ids]
    assert set(page.values("aria-labelledby")) <= set(ids)
    assert [page.met.count(tag) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert page.headings[0] == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    figures = text.count("<figure>")
    assert figures == text.count("<svg ") == text.count('role="img"') == text.count("Numbers of this picture")
    assert text.count("<svg ") == text.count("<title>") - 1  # one is the page's
    for piece in text.split("<figure>")[1:]:
        assert "<table>" in piece.partition("</figure>")[0]
    assert not [word for word in page.words.split() if word.strip(".,;:()") in ("nan", "inf", "None", "NaN")]
    return page
