"""Charts: where marks and words lie."""

import math
import re

import pytest

from ran_deploy.report.axis import decades, ticks
from ran_deploy.report.bars import Bar, bar_chart
from ran_deploy.report.chart import Chart
from ran_deploy.report.labels import place_labels
from ran_deploy.report.marks import SHAPES, marker
from ran_deploy.report.rows import Row, row_chart
from ran_deploy.report.words import seconds, shorten


def test_ticks_are_round_and_within() -> None:
    assert ticks(0.0, 10.0) == [0, 2, 4, 6, 8, 10]
    assert ticks(86.2, 88.1) == pytest.approx([86.5, 87, 87.5, 88])
    assert decades(0.9, 60) == pytest.approx([1, 2, 5, 10, 20, 50])
    assert decades(0.01, 10_000) == pytest.approx([10.0**power for power in range(-2, 5)])
    assert decades(11, 17) == ticks(11, 17)


def test_a_logarithmic_axis_gives_equal_factors_equal_room() -> None:
    chart = Chart(x=(1, 100), y=(0, 1), x_label="x", y_label="y", title="t", x_log=True)
    assert chart.x(10) - chart.x(1) == pytest.approx(chart.x(100) - chart.x(10))
    assert chart.x(0) == chart.x(1)  # what is outside is put on the edge
    straight = Chart(x=(1, 100), y=(0, 1), x_label="x", y_label="y", title="t")
    assert straight.x(50.5) - straight.x(1) == pytest.approx(straight.x(100) - straight.x(50.5))


def test_each_shape_is_another_and_hollow_ones_show_the_ground() -> None:
    drawn = [marker(0, 0, 5, "red", hollow=False, shape=shape) for shape in SHAPES]
    assert len(set(drawn)) == len(SHAPES)
    assert 'fill="var(--ground)" stroke="red"' in marker(0, 0, 5, "red", hollow=True, shape="square")


def test_labels_of_points_in_one_place_do_not_cover_one_another() -> None:
    places = place_labels([(100.0, 100.0)] * 6)
    assert len(set(places)) == 6
    assert place_labels([(0.0, 0.0), (300.0, 0.0)]) == [place_labels([(0.0, 0.0)])[0]] * 2


def test_rows_keep_within_the_picture_and_long_names_are_shortened_in_the_middle() -> None:
    name = "a_very_long_name_of_an_engine_" * 8 + "end.onnx, onnxruntime"
    rows = [Row(name=name, words="87.05%", value=87.05, interval=(-1e9, 1e9)), Row(name="b", words="1", value=1)]
    made = row_chart(rows, x=(80, 90), x_label="%", title="t", limit=(85, "limit"))
    places = [float(value) for value in re.findall(r'\b(?:x|x1|x2|cx)="([-\d.]+)"', made)]
    assert min(places) >= 0
    assert max(places) <= 440
    shown = next(words for words in re.findall(r">([^<]+)</text>", made) if "…" in words)
    assert len(shown) <= 58
    assert shown.startswith("a_very_long")
    assert shown.endswith("onnxruntime")
    assert "limit" in made


def test_bars_are_as_long_as_their_values_and_never_negative() -> None:
    made = bar_chart(
        [Bar(name=name, words="", value=value) for name, value in (("a", 1), ("b", 2), ("c", -3))], title="t"
    )
    one, two, none = (float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', made))
    assert math.isclose(two, 2 * one, rel_tol=0.01)
    assert none == 0


def test_words() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("0123456789", 5) == "01…89"
    assert (seconds(3.14159), seconds(125)) == ("3.1 s", "2 min 5 s")
