"""Engines for the tests of this area."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from ran_deploy.manifest import publish
from tests.explaining.masked import describe, masked_contract, save_masked


@pytest.fixture
def engines_without_masks(tmp_path: Path) -> Path:
    """The engine of :func:`save_masked` without its masks."""
    model = onnx.load(save_masked(tmp_path / "with.onnx"))
    del model.graph.output[1:]
    path = tmp_path / "plain.onnx"
    manifest = describe(replace(masked_contract(), masks=()))
    publish(path, lambda target: onnx.save(model, target), manifest)
    return path
