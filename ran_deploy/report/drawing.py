"""An SVG that says what it shows to those who cannot see it."""

from collections.abc import Sequence

from ran_deploy.report.html import text


def picture(width: int, height: int, parts: Sequence[str], *, title: str, about: str = "") -> str:
    """Return drawn parts as an ``<svg>`` element.

    Args:
        width: Of the picture, in pixels of its own.
        height: The same.
        parts: What is drawn, as SVG elements.
        title: What a screen reader calls it.
        about: What it shows, in a sentence.
    """
    desc = f"<desc>{text(about)}</desc>" if about else ""
    said = f"{title}. {about}" if about else title
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(said)}">'
        f"<title>{text(title)}</title>{desc}{''.join(parts)}</svg>"
    )
