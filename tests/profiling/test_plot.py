from pathlib import Path

import pytest
from PIL import Image

from ran_deploy.profiling.plot import plot_profile
from tests.profiling.by_hand import unit_result

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def colours_of(path: Path) -> set[str]:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        found = picture.convert("RGB").getcolors(1 << 24) or []
        return {"#{:02X}{:02X}{:02X}".format(*colour) for _, colour in found if isinstance(colour, tuple)}


def test_a_picture_with_all_branches(tmp_path: Path) -> None:
    path = tmp_path / "profile.png"
    plot_profile(unit_result(), path)
    assert {"#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#666666"} <= colours_of(path)


@pytest.mark.parametrize("run_us", [100.0, 50.0])  # with 50, the kernels took longer than the plain run
def test_without_a_roofline(tmp_path: Path, run_us: float) -> None:
    path = tmp_path / "profile.svg"
    plot_profile(unit_result(roofline=None, run_us=run_us), path)
    first = path.read_bytes()
    assert first.startswith(b"<?xml")
    plot_profile(unit_result(roofline=None, run_us=run_us), path)
    assert path.read_bytes() == first  # the same result draws the same file
