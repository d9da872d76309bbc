"""Every registered network through the whole chain: export with parity, FP16, INT8, lint, and plans of TensorRT-RTX.

Each stage has its own gate (parity, agreement, obtained precision), so that passing through is the proof. The weights
are random: nothing here needs a checkpoint. Run the whole matrix with ``pytest -m slow tests/engine``; unmarked, one
cheap network goes the same way.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import pytest

from ran_deploy.arch.entry import ArchEntry
from ran_deploy.arch.registry import arch_entries, find_entry
from ran_deploy.engine.build import build_engine
from ran_deploy.graph.export import export_onnx
from ran_deploy.manifest import Precision
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.lint import lint
from ran_deploy.quant.quantize import quantize_fp16
from tests.quant.chain import colour_images


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and its options."""

    entry: ArchEntry
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [self.entry.name, self.entry.layout, *(f"{name}={value}" for name, value in self.options.items())]
        return "-".join(parts)


def every_network() -> list[Case]:
    """All of them at full width, but the ImageNet layouts, which take minutes then, at an eighth."""
    return [
        Case(entry=entry, options={"width": 0.125} if entry.layout == "imagenet" else {}) for entry in arch_entries()
    ]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few images of ten colours."""
    return colour_images(tmp_path_factory.mktemp("images"), each=1)


@pytest.mark.slow
@pytest.mark.parametrize("case", every_network(), ids=str)
def test_every_network_becomes_plans(case: Case, images: Path, tmp_path: Path) -> None:
    check_chain(case, case.entry.home, images, tmp_path)


def test_a_network_becomes_plans(images: Path, tmp_path: Path) -> None:
    # Not a deep one: the exporter takes its time for every layer.
    case = Case(entry=find_entry("naive-cnn", "cifar10"), options={"width": 0.125})
    check_chain(case, "cifar10", images, tmp_path)


def check_chain(case: Case, dataset: str, images: Path, folder: Path) -> None:
    """Take a network with random weights through all stages."""
    name = case.entry.name
    exported = export_onnx(
        name, dataset=dataset, out=folder / f"{name}.onnx", random_weights=True, options=case.options
    )
    assert exported.parity["not_finite"] == exported.parity["flips"] == 0
    assert "Dropout" not in {node.op_type for node in onnx.load(exported.path).graph.node}
    weighted = exported.manifest.precision.obtained["fp32"]

    half = quantize_fp16(exported.path)
    assert obtained(half.manifest.precision) == {"fp16": weighted}
    assert obtained(build_engine(half.path).manifest.precision) == {"fp16": weighted}

    calibration = CalibrationOptions(dataset="folder", data=images, samples=8, method="minmax")
    small = quantize_int8(exported.path, calibration)
    assert obtained(small.manifest.precision) == {"fp32": 1, "int8": weighted - 1}, "all but the classifier"
    assert lint(onnx.load(small.path)) == ()
    assert obtained(build_engine(small.path).manifest.precision) == {"fp32": 1, "int8": weighted - 1}


def obtained(precision: Precision) -> dict[str, int]:
    return dict(precision.obtained)
