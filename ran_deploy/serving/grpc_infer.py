"""A gRPC ``ModelInfer`` message to a request, and an answer to its message."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract, TensorSpec
from ran_deploy.serving.protocol import (
    Call,
    Output,
    only_input,
    request_id,
    tensor_shape,
    timeout_s,
    wanted_outputs,
)
from ran_deploy.serving.tensors import from_raw, from_values, to_text_bytes

_CONTENTS = {"uint8": "uint_contents", "float32": "fp32_contents"}
"""Where typed contents of each type stand; float16 comes as raw bytes only."""


def parse_call(request: Any, contract: Contract) -> Call:
    """Return the request that a ModelInferRequest makes.

    Raises:
        UsageError: It is not a request for this model.
    """
    spec = contract.input
    only_input([tensor.name for tensor in request.inputs], spec)
    tensor = request.inputs[0]
    shape = tensor_shape(spec, tensor.datatype, list(tensor.shape))
    raw = request.raw_input_contents
    if raw:
        if len(raw) != 1:
            raise UsageError(f"The request has {len(raw)} raw contents for one input.")
        if tensor.HasField("contents"):
            raise UsageError("The input has both contents and raw contents.", fix="Send one of them.")
        images = from_raw(raw[0], spec, shape)
    else:
        images = _from_contents(tensor.contents, spec, shape)
    asked = [(output.name, parameters(output.parameters)) for output in request.outputs]
    return Call(
        images=images,
        wanted=wanted_outputs(asked, contract, binary=True),
        id=request_id(request.id),
        timeout_s=timeout_s(parameters(request.parameters)),
    )


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of a message's parameters."""
    return {
        name: getattr(value, kind) for name, value in given.items() if (kind := value.WhichOneof("parameter_choice"))
    }


def fill_response(response: Any, model: str, version: str, call: Call, outputs: Sequence[Output]) -> Any:
    """Fill a ModelInferResponse, with raw contents, and return it."""
    response.model_name, response.model_version, response.id = model, version, call.id
    for output in outputs:
        response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        response.raw_output_contents.append(
            output.values.tobytes() if isinstance(output.values, np.ndarray) else to_text_bytes(output.values)
        )
    return response


def _from_contents(contents: Any, spec: TensorSpec, shape: tuple[int, ...]) -> Any:
    where = _CONTENTS.get(spec.dtype)
    if where is None:
        raise UsageError(f"The input {spec.name!r} must come as raw_input_contents.")
    values = getattr(contents, where)
    needed = math.prod(shape)
    if len(values) != needed:
        raise UsageError(f"{where} has {len(values)} values, but the shape {list(shape)} needs {needed}.")
    return from_values(list(values), spec, shape)
