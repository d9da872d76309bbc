import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.corrupt import parse_corruption
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.errors import UsageError
from ran_deploy.runtime.detail import detail_session, evaluate_in_detail
from ran_deploy.runtime.evaluate import evaluate, evaluate_session
from ran_deploy.runtime.open import open_engine

_LABELS = ("red", "green", "blue")


def _dots(colours: list[int], targets: list[int], sizes: list[int]) -> ArrayDataset:
    """Images of a grey ground with a red, green or blue square of ``size`` pixels a side."""
    images = np.full((len(colours), 8, 8, 3), 90, np.uint8)
    for image, channel, size in zip(images, colours, sizes, strict=True):
        image[:size, :size, channel] = 255
    info = replace(dataset_info("synthetic"), name="dots", classes=3, size=8)
    return ArrayDataset(info, "test", _LABELS, images, np.array(targets, np.int64))


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_one_pass_gives_classes_confusion_and_calibration(make_means: Any, batch: int) -> None:
    data = _dots([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2], [8, 8, 8, 8, 8, 8])
    with open_engine(make_means(labels=_LABELS, size=8)) as session:
        found = detail_session(session, data, batch=batch)
        plain = evaluate_session(session, data, batch=batch)
    assert (found.top1, found.top1_ci95, found.samples) == (plain.top1, plain.top1_ci95, 6)
    assert found.confusion == ((2, 0, 0), (0, 1, 0), (0, 1, 2))
    assert [one.accuracy for one in found.classes] == [100, 100, pytest.approx(200 / 3)]
    assert (found.mistakes[0].label, found.mistakes[0].taken_for) == ("blue", "green")
    # The logits are 255 and 90, 90: the engine is as sure as float64 can be, and right five times of six.
    assert found.calibration.mean_confidence == 100
    assert found.calibration.ece_points == pytest.approx(100 / 6)
    assert found.corrupted == ()


def test_corrupted_images_are_paired_with_the_clean_ones(make_means: Any) -> None:
    # A pixel of colour in 64 tips the mean by 2.6 grey levels; noise of 20 levels over 64 pixels tips it by 2.5.
    data = _dots([0, 1, 2] * 20, [0, 1, 2] * 20, [1] * 60)
    noise = parse_corruption("noise:20")
    with open_engine(make_means(labels=_LABELS, size=8)) as session:
        found = detail_session(session, data, [noise], batch=7)
        everything = np.arange(60, dtype=np.int64)
        worse = ArrayDataset(data.info, "test", _LABELS, noise.apply(data.images, everything), data.targets)
        alone = detail_session(session, worse, batch=60)
    assert found.top1 == 100
    (one,) = found.corrupted
    assert (one.corruption, one.top1, one.top1_ci95) == ("noise:20", alone.top1, alone.top1_ci95)
    assert one.ece_points == pytest.approx(alone.calibration.ece_points)
    assert one.mean_confidence == pytest.approx(alone.calibration.mean_confidence)
    assert 30 < one.top1 < 100
    assert one.against_clean.reference_top1 == 100
    assert one.against_clean.difference_points == pytest.approx(one.top1 - 100)
    assert one.against_clean.only_candidate_right == 0


def test_a_part_of_the_dataset_has_the_same_noise(make_means: Any) -> None:
    data = _dots([0, 1, 2] * 20, [0, 1, 2] * 20, [1] * 60)
    noise = parse_corruption("noise:20")
    with open_engine(make_means(labels=_LABELS, size=8)) as session:
        part = detail_session(session, data, [noise], limit=30)
        other = detail_session(session, data, [noise], limit=30, batch=1)
    assert part.corrupted == other.corrupted
    assert part.samples == 30


def test_the_engine_s_own_figures_do_not_change(engines: Any, tmp_path: Path) -> None:
    plain = evaluate(engines.onnx, "synthetic", limit=60)
    found = evaluate_in_detail(
        engines.onnx,
        "synthetic",
        limit=60,
        corrupt=("jpeg:10", "blur:1"),
        plot=tmp_path / "plot.svg",
        report=tmp_path / "report.md",
    )
    assert (found.top1, found.top5, found.sha256) == (plain.top1, plain.top5, plain.sha256)
    assert sum(map(sum, found.confusion)) == 60
    assert [one.corruption for one in found.corrupted] == ["jpeg:10", "blur:1"]
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")
    text = (tmp_path / "report.md").read_text()
    assert f"**{found.top1:.2f}%**" in text
    assert "](plot.svg)" in text
    assert "JPEG of quality 10" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"corrupt": ("jpeg:0",)}, "The corruption is jpeg:0; expected"),
        ({"corrupt": ("blur:1", "blur:1.0")}, "blur:1 is named twice"),
        ({"plot": Path("plot.jpg")}, r"must end in \.svg"),
        ({"report": Path("report.txt")}, r"must end in \.md"),
        ({"limit": 0}, "--limit is 0"),
    ],
)
def test_refuses_before_it_opens_anything(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        evaluate_in_detail("nowhere.onnx", "synthetic", **options)


def test_command(engines: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "--engine", str(engines.onnx), "--dataset", "synthetic", "--limit", "40", "--corrupt", "jpeg:20"]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.eval/v1"
    assert sum(sum(row) for row in document["confusion"]) == 40
    assert sum(one["samples"] for one in document["calibration"]["bins"]) == 40
    assert document["corrupted"][0]["against_clean"]["samples"] == 40
    assert document["plot"] is None
    picture = tmp_path / "plot.png"
    assert run([*command, "--plot", str(picture)]) == 0
    said = capsys.readouterr().out
    assert f"calibration error  {document['calibration']['ece_points']:.2f} points" in said
    assert "jpeg:20" in said
    assert f"plot  {picture}" in said
    with Image.open(picture) as image:
        assert image.width > 1000


def test_command_with_details_alone(engines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "--engine", str(engines.onnx), "--dataset", "synthetic", "--limit", "10", "--details"]
    assert run(command) == 0
    assert "class" in capsys.readouterr().out
    assert run([*command, "--against", str(engines.onnx)]) == 2
    assert "two measurements" in capsys.readouterr().err
