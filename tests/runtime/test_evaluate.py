import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import UsageError
from ran_deploy.quant.quantize import quantize_fp16
from ran_deploy.runtime.evaluate import evaluate, evaluate_session, wilson_interval
from ran_deploy.runtime.open import open_engine
from tests.runtime.conftest import Engines

_LABELS = ("red", "green", "blue")


def _colours(shown: list[int], targets: list[int], labels: tuple[str, ...] = _LABELS) -> ArrayDataset:
    """Images of one pure colour each, whose targets may be wrong on purpose."""
    images = np.zeros((len(shown), 4, 4, 3), np.uint8)
    for image, channel in zip(images, shown, strict=True):
        image[..., channel] = 255
    info = replace(dataset_info("synthetic"), name="colours", classes=len(labels), size=4)
    return ArrayDataset(info, "test", labels, images, np.array(targets, np.int64))


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_counts_what_is_right(make_means: Any, batch: int) -> None:
    shown = [0, 1, 2] * 4
    targets = [*shown[:9], 1, 2, 0]  # the last three are wrong
    with open_engine(make_means(labels=_LABELS)) as session:
        result = evaluate_session(session, _colours(shown, targets), batch=batch)
    assert (result.samples, result.top1) == (12, 75.0)
    assert result.top5 is None
    # Wilson's interval of 9 in 12, from the formula by hand.
    assert result.top1_ci95 == pytest.approx((46.77, 91.11), abs=0.01)
    assert (result.dataset, result.split, result.runtime) == ("colours", "test", "onnxruntime")


def test_top5_of_six_classes(make_means: Any) -> None:
    weights = np.array([[6, 5, 4, 3, 2, 1]] * 3, np.float32)  # every image: class 0 first, class 5 last
    labels = tuple("abcdef")
    with open_engine(make_means(weights=weights, labels=labels)) as session:
        result = evaluate_session(session, _colours([0] * 4, [0, 4, 5, 1], labels))
    assert (result.top1, result.top5) == (25.0, 75.0)


def test_limit_spreads_over_the_split(make_means: Any) -> None:
    shown = [0] * 10 + [1] * 10 + [2] * 10
    data = _colours(shown, [0] * 30)
    with open_engine(make_means(labels=_LABELS)) as session:
        result = evaluate_session(session, data, limit=6, batch=4)
        assert result.samples == 6
        assert result.top1 == pytest.approx(100 / 3)
        assert evaluate_session(session, data, limit=99).samples == 30


@pytest.mark.parametrize(
    ("hits", "samples", "low", "high"),
    [
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (81, 263, 0.25531, 0.36617),  # Newcombe (1998), table of methods, method 3: 0.2553 to 0.3662
    ],
)
def test_wilson_interval(hits: int, samples: int, low: float, high: float) -> None:
    assert wilson_interval(hits, samples) == pytest.approx((low, high), abs=5e-5)


def test_refuses_another_number_of_classes(make_means: Any) -> None:
    with open_engine(make_means()) as session, pytest.raises(UsageError, match="has 3 classes; the dataset synthetic"):
        evaluate_session(session, make_synthetic("test", 10))


def test_refuses_other_labels(make_means: Any) -> None:
    engine = open_engine(make_means(labels=("red", "blue", "green")))
    with engine as session, pytest.raises(UsageError, match="calls class 1 'blue'; the dataset colours calls it 'gre"):
        evaluate_session(session, _colours([0], [0]))


def test_unnamed_classes_fit_any_names(make_means: Any) -> None:
    with open_engine(make_means(labels=_LABELS)) as session:
        assert evaluate_session(session, _colours([0, 1], [0, 1], ("0", "1", "2"))).top1 == 100


def test_refuses_another_size(make_means: Any) -> None:
    with open_engine(make_means(labels=_LABELS, size=8)) as session, pytest.raises(UsageError, match="of 8 pixels"):
        evaluate_session(session, _colours([0], [0]))


def test_torch_and_onnx_have_the_same_accuracy(engines: Any) -> None:
    first = evaluate(engines.checkpoint, "synthetic", limit=100)
    second = evaluate(engines.onnx, "synthetic", limit=100)
    assert (first.top1, first.top5) == (second.top1, second.top5)
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("option", ["limit", "batch", "threads"])
def test_refuses_values_out_of_range(engines: Any, option: str) -> None:
    with pytest.raises(UsageError, match="is 0; expected at least 1"):
        evaluate(engines.onnx, "synthetic", **{option: 0})  # type: ignore[arg-type]


def test_command(engines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "--engine", str(engines.onnx), "--dataset", "synthetic", "--limit", "50"]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.eval/v1"
    assert document["engine"] == str(engines.onnx)
    assert document["samples"] == 50
    low, high = document["top1_ci95"]
    assert 0 <= low <= document["top1"] <= document["top5"] <= 100
    assert document["top1"] <= high
    assert run(command) == 0
    assert f"top-1  {document['top1']:.2f}%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--dataset", "cifar10"], 2),
        (["--dataset", "cifar"], 2),
        (["--dataset", "synthetic", "--split", "tset"], 2),
        (["--dataset", "cifar10", "--data", "/nowhere/at/all"], 2),
    ],
)
def test_command_on_bad_options(
    engines: Any, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", "--engine", str(engines.onnx), *arguments, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["error"]["fix"]


@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="RAN_DEPLOY_DATA is not set")
def test_other_classes_of_a_real_dataset(engines: Any) -> None:
    data = Path(os.environ["RAN_DEPLOY_DATA"]) / "cifar-10-batches-bin"
    with pytest.raises(UsageError, match="calls class 0 'disc'; the dataset cifar10 calls it 'airplane'"):
        evaluate(engines.onnx, "cifar10", data)


def test_a_float16_file_on_the_cpu_is_not_read_as_float16(
    engines: Engines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = quantize_fp16(engines.onnx, out=tmp_path / "half.onnx").path
    capsys.readouterr()
    arguments = ["--against", str(engines.onnx), "--dataset", "synthetic", "--limit", "4", "--max-drop", "99"]
    assert run(["eval", "--engine", str(half), *arguments, "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    (text,) = document["notes"]
    assert f"computes the float16 of {half} in float32" in text
    assert document["against"]["reference"]["notes"] == []
    assert said.err.count("note: ") == 1
