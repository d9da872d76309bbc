"""Pictures that matplotlib draws: what is checked before the work for one, and how each is saved."""

from pathlib import Path
from typing import TYPE_CHECKING

from ran_deploy.files import atomic_path, require_output
from ran_deploy.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
_TIMES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""What would else say when a file was saved."""


def check_figure(path: Path, purpose: str) -> None:
    """Fail early, before long work, if a picture could not be drawn.

    Args:
        path: The file to write.
        purpose: What needs matplotlib, such as "The plot of the profile"; begins the message.

    Raises:
        UsageError: The name ends in none of :data:`SUFFIXES`, or the folder cannot be written to.
        MissingError: matplotlib is not installed.
    """
    require_output(path, *SUFFIXES)
    require("matplotlib", purpose)


def save_figure(figure: "Figure", path: Path, *, dpi: int) -> None:
    """Save a figure atomically, in the format that the name ends in; the same figure gives the same bytes.

    Raises:
        UsageError: The file cannot be written.
    """
    import matplotlib as mpl

    _settle(figure)
    with atomic_path(path) as temporary, mpl.rc_context({"svg.hashsalt": "ran-deploy"}):
        figure.savefig(temporary, format=path.suffix[1:], dpi=dpi, metadata=_TIMES.get(path.suffix))


def _settle(figure: "Figure") -> None:
    """Lay out in round numbers: two layouts may differ in the last bit, which the names inside an SVG are made of."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(side, 6) for side in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))
