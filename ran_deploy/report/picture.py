"""A picture with the numbers behind it, so that nobody needs to see it to know what it says."""

from dataclasses import dataclass

from ran_deploy.report.html import NOTHING, Html, element, folded, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart and its numbers."""

    title: str
    svg: str
    data: Html
    """A table of what is drawn."""
    caption: str = ""

    def figure(self) -> Html:
        """Return both as one figure, the numbers folded on a screen."""
        below = element("figcaption", text(self.caption)) if self.caption else NOTHING
        numbers = folded("Numbers of this picture", self.data)
        plot = f'<div class="plot"><h3>{text(self.title)}</h3>{self.svg}</div>'
        return Html(f"<figure>{plot}{below}{numbers}</figure>")


def gallery(pictures: list[Picture], *, single: bool = False) -> Html:
    """Return pictures side by side where the page is wide enough; nothing where there are none."""
    figures = Html("".join(picture.figure() for picture in pictures))
    return element("div", figures, kind="charts single" if single else "charts") if pictures else NOTHING
