"""The node to blame, on a real export with one fault planted at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from ran_deploy.data.probes import generated_images
from ran_deploy.errors import GateError, UsageError
from ran_deploy.graph.bisect import bisect
from ran_deploy.graph.verify import verify_engines
from ran_deploy.manifest import publish, verified_manifest

CULPRIT = "stages.4.trunk.0.body.3.0/Conv"
IMAGES = generated_images(12, 32)[8:10]


def change(model: onnx.ModelProto, name: str, edit: Callable[[npt.NDArray[np.float32]], object]) -> onnx.ModelProto:
    """A copy of a model in which one initializer is edited in place."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensor = next(tensor for tensor in changed.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).copy()
    edit(values)
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return changed


def weight_of(model: onnx.ModelProto, node: str) -> str:
    return next(str(item.input[1]) for item in model.graph.node if item.name == node)


def damage(values: npt.NDArray[np.float32]) -> None:
    values.flat[5] += 20 * values.std()


@pytest.fixture
def damaged(model: onnx.ModelProto) -> onnx.ModelProto:
    return change(model, weight_of(model, CULPRIT), damage)


def test_equal_models_differ_nowhere(model: onnx.ModelProto) -> None:
    result = bisect(model, model, IMAGES)
    assert (result.first, result.differing, result.worst.sqnr_db) == (None, 0, 300.0)
    assert result.compared == sum(node.op_type != "Cast" for node in model.graph.node)


def test_one_damaged_weight_is_named_and_not_its_victims(
    model: onnx.ModelProto, damaged: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = bisect(model, damaged, IMAGES)
    assert result.first is not None
    assert (result.first.node, result.worst.node, result.differing) == (CULPRIT, CULPRIT, 1)
    assert result.matched_by == "name"
    assert f"First differing node: {CULPRIT} (local SQNR" in result.text()
    # In many small parts the answer is the same.
    monkeypatch.setattr("ran_deploy.graph.bisect._CHUNK_BYTES", 4 << 20)
    assert bisect(model, damaged, IMAGES) == result


def test_the_first_of_two_faults_and_the_worst(model: onnx.ModelProto, damaged: onnx.ModelProto) -> None:
    def zero(values: npt.NDArray[np.float32]) -> None:
        values[:] = 0

    later = [node.name for node in model.graph.node if node.op_type == "Conv"][-1]
    result = bisect(model, change(damaged, weight_of(model, later), zero), IMAGES)
    assert result.first is not None
    assert (result.first.node, result.worst.node, result.differing) == (CULPRIT, later, 2)


def test_without_names_nodes_are_matched_by_order(model: onnx.ModelProto, damaged: onnx.ModelProto) -> None:
    place = next(place for place, node in enumerate(damaged.graph.node) if node.name == CULPRIT)
    for node in damaged.graph.node:
        node.name = ""
    result = bisect(model, damaged, IMAGES)
    assert (result.matched_by, result.worst.node) == ("order", f"Conv_{place}")


def test_other_networks_are_refused(model: onnx.ModelProto) -> None:
    shorter = onnx.ModelProto()
    shorter.CopyFrom(model)
    last = shorter.graph.node[-1]
    shorter.graph.node.append(helper.make_node("Relu", [last.output[0]], ["more"], name="more"))
    del shorter.graph.node[10:12]
    with pytest.raises(UsageError, match="cannot be matched"):
        bisect(model, shorter, IMAGES)


def test_verify_names_the_node(exported: Path, damaged: onnx.ModelProto, tmp_path: Path) -> None:
    manifest = verified_manifest(exported)
    assert manifest is not None
    publish(tmp_path / "b.onnx", lambda path: onnx.save(damaged, path), manifest)
    with pytest.raises(GateError, match=f"First differing node: {CULPRIT} ") as caught:
        verify_engines(exported, tmp_path / "b.onnx", atol=1e-6)
    assert caught.value.details["nodes"]["first"]["node"] == CULPRIT
    assert caught.value.details["nodes"]["images"] == 16
