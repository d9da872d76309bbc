"""Each node of a model computed alone, on inputs that come from elsewhere: what names a culprit and not its victims."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, shape_inference

from ran_deploy.errors import UsageError
from ran_deploy.optional import require

Arrays = dict[str, npt.NDArray[Any]]
_FED = "__fed"
_QUANTIZED = "DequantizeLinear"


class Isolated:
    """A model whose values can be computed one by one.

    Args:
        model: Any ONNX model with one input and without subgraphs.
        boundaries: The values that are given rather than computed wherever a node reads them.
    """

    def __init__(self, model: onnx.ModelProto, boundaries: Collection[str]) -> None:
        self._model = model
        self._boundaries = frozenset(boundaries)
        self._types = value_types(model)
        self._producers = {name: place for place, node in enumerate(model.graph.node) for name in node.output}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def needs(self, value: str) -> frozenset[str]:
        """Return the given values that the computation of ``value`` reads."""
        return self._cone(value)[1]

    def precision(self, value: str) -> str:
        """Return what loses precision in the computation of ``value``: "int8", "fp16", or "fp32" where nothing does."""
        places, needed = self._cone(value)
        if any(self._model.graph.node[place].op_type == _QUANTIZED for place in places):
            return "int8"
        return "fp16" if TensorProto.FLOAT16 in {self._types.get(name) for name in (value, *needed)} else "fp32"

    def run(self, values: Iterable[str], given: Mapping[str, npt.NDArray[Any]], images: npt.NDArray[Any]) -> Arrays:
        """Compute values, each from given ones alone.

        Float16 values are rounded on their way in and out, though ONNX Runtime's CPU computes in float32 between.

        Args:
            values: Which.
            given: What :meth:`needs` names for them.
            images: The model's input.
        """
        wanted = list(values)
        places = sorted(set().union(*(self._cone(value)[0] for value in wanted)))
        with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, as it would there
            fed = {
                f"{name}{_FED}": given[name].astype(self._dtype(name), copy=False)
                for value in wanted
                for name in self.needs(value)
            }
        nodes = [self._with_given_inputs(self._model.graph.node[place]) for place in places]
        read = {name for node in nodes for name in node.input}
        source = self._model.graph.input[0]
        inputs = [helper.make_tensor_value_info(name, self._types[name.removesuffix(_FED)], None) for name in fed]
        feeds: Arrays = dict(fed)
        if source.name in read:
            inputs.append(source)
            feeds[source.name] = images
        graph = helper.make_graph(
            nodes,
            "isolated",
            inputs,
            [helper.make_tensor_value_info(name, self._types[name], None) for name in wanted],
            [tensor for name, tensor in self._constants.items() if name in read],
        )
        model = helper.make_model(
            graph, opset_imports=list(self._model.opset_import), ir_version=self._model.ir_version
        )
        return run_values(model, wanted, feeds)

    def _dtype(self, name: str) -> npt.DTypeLike:
        return helper.tensor_dtype_to_np_dtype(self._types[name])

    def _with_given_inputs(self, node: onnx.NodeProto) -> onnx.NodeProto:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(copy.input):
            if name in self._boundaries:
                copy.input[index] = f"{name}{_FED}"
        return copy

    def _cone(self, value: str) -> tuple[frozenset[int], frozenset[str]]:
        """Return the nodes between the given values and ``value``, and those given values."""
        places: set[int] = set()
        needed: set[str] = set()
        open_places = [self._producers[value]]
        while open_places:
            place = open_places.pop()
            if place in places:
                continue
            places.add(place)
            for name in self._model.graph.node[place].input:
                if name in self._boundaries:
                    needed.add(name)
                elif name in self._producers:
                    open_places.append(self._producers[name])
        return frozenset(places), frozenset(needed)


def value_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of each value of a model, as ONNX infers it."""
    graph = shape_inference.infer_shapes(model).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}


def run_values(model: onnx.ModelProto, values: list[str], feeds: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Run a model in memory, node by node as it is written, and return some of its outputs.

    Raises:
        UsageError: ONNX Runtime cannot run it.
        MissingError: ONNX Runtime is not installed.
    """
    ort = require("onnxruntime", "The search for the node that differs")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Without fusion a node computes the same in whatever surroundings it is run, to the last bit.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip(values, session.run(values, dict(feeds)), strict=True))
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"Nodes of the model cannot be run one by one: {reason}", fix="Compare two forms of one network."
        ) from error
