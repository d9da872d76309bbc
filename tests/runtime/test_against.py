"""Two engines over one pass of the same images, and the gate on their difference."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ran_deploy.cli.app import run
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import GateError, UsageError
from ran_deploy.manifest import Precision, publish, read_manifest
from ran_deploy.runtime import against
from ran_deploy.runtime.against import compare_sessions, evaluate_against
from ran_deploy.runtime.batching import run_images
from ran_deploy.runtime.evaluate import evaluate
from ran_deploy.runtime.open import open_engine

Damage = Callable[[float, str], Path]


@pytest.fixture(scope="module")
def damaged(engines: Any, tmp_path_factory: pytest.TempPathFactory) -> Damage:
    """Write a copy of the ONNX engine whose weights are off by some relative noise, said to be of a precision."""
    folder = tmp_path_factory.mktemp("damaged")

    def make(noise: float, asked: str) -> Path:
        model, rng = onnx.load(engines.onnx), np.random.default_rng(3)
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.ndim == 4 and values.shape[-1] > 1:
                worse = values + rng.normal(0, noise * values.std(), values.shape).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(worse.astype(np.float32), tensor.name))
        path = folder / f"att56_{asked}_{noise}.onnx"
        manifest = read_manifest(engines.onnx)
        assert manifest is not None
        publish(path, lambda out: onnx.save(model, out), replace(manifest, precision=Precision(asked=asked)))  # type: ignore[arg-type]
        return path

    return make


@pytest.fixture(scope="module")
def solved(engines: Any) -> ArrayDataset:
    """Images whose right answer is what the sound engine says: so that losing accuracy means something."""
    images = make_synthetic("test").batch(np.arange(192))
    with open_engine(engines.onnx) as session:
        targets = run_images(session, images).argmax(axis=1).astype(np.int64)
    drawn = make_synthetic("test")
    return ArrayDataset(info=drawn.info, split="test", labels=drawn.labels, images=images, targets=targets)


def test_the_same_network_in_two_runtimes_does_not_differ(engines: Any) -> None:
    result = evaluate_against(engines.onnx, engines.checkpoint, "synthetic", limit=64, batch=24)
    alone = evaluate(engines.onnx, "synthetic", limit=64)
    assert (result.top1, result.top5, result.top1_ci95) == (alone.top1, alone.top5, alone.top1_ci95)
    assert result.engine == str(engines.onnx)
    compared = result.against
    assert compared.reference.engine == str(engines.checkpoint)
    assert compared.paired.agreement == 100
    assert compared.paired.difference_points == 0
    assert compared.paired.samples == result.samples == 64
    assert compared.gate is None  # float32 engines have no limit unless one is given


def test_counts_match_a_plain_computation(engines: Any, damaged: Damage, solved: ArrayDataset) -> None:
    path = damaged(0.05, "fp16")
    with open_engine(engines.onnx) as reference, open_engine(path) as candidate:
        mine, theirs, paired = compare_sessions(reference, candidate, solved, batch=100)
        classes = run_images(candidate, solved.images).argmax(axis=1)
    lost = int((classes != solved.targets).sum())
    assert 0 < lost < 192
    assert (theirs.top1, paired.reference_top1) == (100, 100)
    assert (paired.only_reference_right, paired.only_candidate_right) == (lost, 0)
    assert mine.top1 == pytest.approx(100 - 100 * lost / 192)
    assert paired.agreement == pytest.approx(mine.top1)


@pytest.mark.parametrize(("asked", "allowed"), [("fp16", 0.1), ("int8", 0.5)])
def test_the_default_limit_comes_from_the_precision(
    asked: str, allowed: float, engines: Any, damaged: Damage, solved: ArrayDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against, "open_dataset", lambda *_: solved)
    with pytest.raises(GateError, match=f"above the allowed {allowed} points") as caught:
        evaluate_against(damaged(0.5, asked), engines.onnx, "synthetic")
    assert caught.value.details["gate"].max_drop == allowed
    relaxed = evaluate_against(damaged(0.5, asked), engines.onnx, "synthetic", max_drop=99.5)
    assert relaxed.against.gate is not None
    assert relaxed.against.gate.verdict == "PASS"


def test_impossible_limits_and_missing_references_are_refused(engines: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-drop is -1"):
        evaluate_against(engines.onnx, engines.onnx, "synthetic", max_drop=-1)
    with pytest.raises(UsageError, match="does not exist"):
        evaluate_against(engines.onnx, tmp_path / "no.onnx", "synthetic")


def test_the_command(
    engines: Any,
    damaged: Damage,
    solved: ArrayDataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(against, "open_dataset", lambda *_: solved)
    base = ["eval", "--engine", str(engines.onnx), "--dataset", "synthetic"]
    assert run([*base, "--against", str(engines.checkpoint), "--max-drop", "0.5", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert {"schema", "engine", "samples", "top1", "top5", "top1_ci95", "against"} <= set(document)
    assert document["schema"] == "ran-deploy.eval/v1"
    assert document["against"]["gate"]["verdict"] == "UNDECIDED"
    assert "warning: UNDECIDED" in captured.err
    assert run([*base, "--against", str(engines.checkpoint), "--max-drop", "2"]) == 0
    text = capsys.readouterr().out
    assert "difference  +0.00 points  (95% interval -1.96 to +1.96)" in text
    assert "PASS: the drop is below the allowed 2 points" in text
    bad = ["eval", "--engine", str(damaged(0.5, "int8")), "--dataset", "synthetic", "--against", str(engines.onnx)]
    assert run([*bad, "--json"]) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["details"]["paired"]["only_candidate_right"] == 0
    assert error["details"]["gate"]["verdict"] == "FAIL"
    assert run([*base, "--max-drop", "0.1"]) == 2
    assert "Name the reference with --against" in capsys.readouterr().err
