"""An engine and its float32 parent, made by hand: the parent of a file that only says that it is INT8."""

from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench.against_parent import find_float_parent, say, verdict_of
from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.ratio import Ratio
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest, Parent, Precision, publish, read_manifest

_SHORT: dict[str, Any] = {"batches": (2,), "warmup_ms": 0, "duration_s": 0, "threads": 1}


def child_of(parent: Path, asked: Any, name: str) -> Path:
    """The same network under another name, whose manifest says that it is the parent's child."""
    manifest = read_manifest(parent)
    assert isinstance(manifest, Manifest)
    from dataclasses import replace

    made = replace(
        manifest,
        precision=Precision(asked=asked),
        parents=(Parent(role="onnx", name=parent.name, sha256=sha256_file(parent)),),
    )
    path = parent.with_name(name)
    publish(path, parent.read_bytes(), made)
    return path


def test_an_int8_engine_is_timed_against_its_parent(make_engine: Any) -> None:
    parent = make_engine()
    result = benchmark(child_of(parent, "int8", "means_int8.onnx"), **_SHORT)
    against = result.against_parent
    assert against is not None
    assert (against.parent, against.sha256, against.runtime) == (str(parent), sha256_file(parent), "onnxruntime")
    assert [entry.batch for entry in against.batches] == [2]
    for entry in against.batches:
        assert entry.text.startswith("INT8 is ")
        assert entry.text in result.notes
        assert entry.speed.ci95[0] <= entry.speed.value <= entry.speed.ci95[1]
    assert result.precision_asked == "int8"
    assert result.lineage[0].name == parent.name


def test_it_can_be_switched_off(make_engine: Any) -> None:
    result = benchmark(child_of(make_engine(), "int8", "means_int8.onnx"), against_parent=False, **_SHORT)
    assert result.against_parent is None
    assert result.command.endswith("--no-parent")


def test_a_float32_engine_has_nothing_to_be_compared_with(make_engine: Any) -> None:
    result = benchmark(make_engine(), **_SHORT)
    assert result.against_parent is None
    assert not any("float32" in note for note in result.notes)


def test_a_parent_that_is_gone_is_said(make_engine: Any) -> None:
    parent = make_engine()
    engine = child_of(parent, "fp16", "means_fp16.onnx")
    parent.unlink()
    result = benchmark(engine, **_SHORT)
    assert result.against_parent is None
    assert result.notes[0] == (
        "Whether FP16 is faster than float32 here was not measured: means.onnx is not beside it, or was changed."
    )


def test_the_parent_is_the_float32_one_at_the_top(make_engine: Any) -> None:
    parent = make_engine()
    middle = child_of(parent, "fp16", "means_fp16.onnx")
    lowest = child_of(middle, "int8", "means_int8.onnx")
    assert find_float_parent(lowest, read_manifest(lowest)) == (parent, "")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.1, 1.3, "faster"), (0.6, 0.8, "slower"), (0.9, 1.1, "not measurably different")],
)
def test_verdicts(low: float, high: float, verdict: str) -> None:
    assert verdict_of(Ratio(value=(low + high) / 2, ci95=(low, high))) == verdict


def test_words() -> None:
    slower = Ratio(value=0.5, ci95=(0.4, 0.625))
    assert say("INT8", "onnxruntime", 64, slower, "slower") == (
        "INT8 is 2.00 times slower than its float32 parent on onnxruntime here (batch 64), 95% interval 1.60 to 2.50: "
        "use float32, or --runtime openvino."
    )
    assert say("INT8", "openvino", 1, slower, "slower").endswith(": use float32.")
    faster = Ratio(value=2.0, ci95=(1.5, 2.5))
    assert say("FP16", "openvino", 1, faster, "faster") == (
        "FP16 is 2.00 times faster than its float32 parent on openvino here (batch 1), 95% interval 1.50 to 2.50."
    )
    same = Ratio(value=1.0, ci95=(0.9, 1.1))
    assert "not measurably faster" in say("INT8", "onnxruntime", 1, same, "not measurably different")
