from pathlib import Path

import pytest
from PIL import Image

from ran_deploy.bench.pareto_plot import front, plot_pareto
from tests.bench.hand_made import point, result, seven_points, speed

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def test_a_picture_of_seven_points(tmp_path: Path) -> None:
    path = tmp_path / "pareto.png"
    plot_pareto(seven_points(), path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1200
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {(0, 114, 178), (213, 94, 0)} <= colours  # float32 and INT8


def test_the_line_passes_by_what_is_worse_though_not_surely() -> None:
    points = [
        point("slow", "a", "int8", 87.05, (0.1, -0.1, 0.3), speed(1, 20), speed(64, 1000)),
        point("worse", "b", "int8", 84.29, (-2.7, -3.0, -2.4), speed(1, 10.5), speed(64, 320)),
        point("best", "c", "int8", 87.04, (0.1, -0.1, 0.3), speed(1, 10), speed(64, 310)),
        point("beaten", "d", "int8", 88.0, (0, 0, 0), speed(1, 5, dominated_by=("best",)), speed(64, 9)),
    ]
    assert front(points[:3], "latency") == [(10, 87.04), (20, 87.05)]
    assert front(points[:3], "throughput") == [(64000 / 310, 87.04), (64, 87.05)]
    assert front(points, "latency") == [(10, 87.04), (20, 87.05)]
    assert front(points, "throughput") == [(64000 / 9, 88.0)]


def test_text_names_every_point_and_what_dominates_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")  # text stays text
    path = tmp_path / "pareto.svg"
    plot_pareto(seven_points(), path)
    text = path.read_text()
    for made in seven_points().points:
        assert f">{made.name}<" in text
    for said in (
        "by 1, 5, 7 …",
        "by 7",
        "median latency at batch 1, in ms",
        "top-1 accuracy in %",
        "images per second",
    ):
        assert said in text
    assert "point 1: 94.31%, 95% interval 93.81 to 94.81" in text
    again = tmp_path / "again.svg"
    plot_pareto(seven_points(), again)
    assert again.read_bytes() == path.read_bytes()


def test_one_point_of_an_unknown_kind(tmp_path: Path) -> None:
    alone = point("net", "tensorrt", "unknown", 50, (0, 0, 0), speed(1, 2), speed(8, 4))
    plot_pareto(result(alone), tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 10_000
