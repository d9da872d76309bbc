"""The body of ``POST …/infer``: JSON, or JSON followed by raw tensors (Triton's binary tensor data extension)."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract, TensorSpec
from ran_deploy.serving.protocol import (
    Call,
    Output,
    finite,
    only_input,
    request_id,
    tensor_shape,
    timeout_s,
    wanted_outputs,
)
from ran_deploy.serving.tensors import from_list, from_raw, to_text_bytes

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The HTTP header that says how many bytes of the body are JSON; the rest are tensors in their order."""


def parse_json(text: bytes | memoryview) -> dict[str, Any]:
    """Return the JSON object that ``text`` is.

    Raises:
        UsageError: It is something else, or nested too deeply.
    """
    try:
        document = json.loads(bytes(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The body is not JSON: {error!s:.200}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"The body is a JSON {type(document).__name__}; expected an object.")
    return document


def parse_call(body: bytes, header_length: str | None, contract: Contract) -> Call:
    """Return the request that a body makes.

    Args:
        body: The whole body.
        header_length: The header :data:`HEADER_LENGTH`; "0": the body is nothing but the input's raw bytes.
        contract: The model's.

    Raises:
        UsageError: The body is not a request for this model.
    """
    view = memoryview(body)
    length = len(body) if header_length is None else _length(header_length, len(body))
    spec = contract.input
    if length == 0 and header_length is not None:
        return Call(images=_raw_images(view, spec), wanted=wanted_outputs((), contract, binary=True))
    document = parse_json(view[:length])
    tensors = _objects(document, "inputs")
    only_input([_text(tensor, "name") for tensor in tensors], spec)
    parameters = _parameters(document)
    tensor = tensors[0]
    shape = tensor_shape(spec, tensor.get("datatype"), tensor.get("shape"))
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        if length != len(body):
            raise UsageError(f"The body has {len(body) - length} bytes after its JSON that no input announces.")
        images = from_list(tensor.get("data"), spec, shape)
    else:
        _check_size(size, len(body) - length, tensor)
        images = from_raw(view[length:], spec, shape)
    binary = parameters.get("binary_data_output", False)
    if type(binary) is not bool:
        raise UsageError(f"The parameter binary_data_output is {binary!r:.80}; expected true or false.")
    asked = [(output.get("name"), _parameters(output)) for output in _objects(document, "outputs")]
    return Call(
        images=images,
        wanted=wanted_outputs(asked, contract, binary=binary),
        id=request_id(document.get("id", "")),
        timeout_s=timeout_s(parameters),
    )


def render(model: str, version: str, call: Call, outputs: Sequence[Output]) -> tuple[bytes, int | None]:
    """Return an answer's body, and the length of its JSON where raw tensors follow.

    Raises:
        UsageError: JSON was asked for, and cannot hold the values.
    """
    tensors, raw = [], []
    for output in outputs:
        tensor: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if output.binary:
            data = _raw(output)
            tensor["parameters"] = {"binary_data_size": len(data)}
            raw.append(data)
        else:
            tensor["data"] = _plain(output)
        tensors.append(tensor)
    document = {"model_name": model, "model_version": version, **({"id": call.id} if call.id else {})}
    text = json.dumps({**document, "outputs": tensors}, separators=(",", ":")).encode()
    return (b"".join([text, *raw]), len(text)) if raw else (text, None)


def _length(text: str, body_length: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) > body_length:
        raise UsageError(f"{HEADER_LENGTH} is {text!r:.40}; expected a number up to the body's {body_length} bytes.")
    return int(text)


def _raw_images(raw: memoryview, spec: TensorSpec) -> Any:
    one = math.prod(spec.shape[1:]) * np.dtype(spec.dtype).itemsize
    if len(raw) % one:
        raise UsageError(f"The body has {len(raw)} bytes, which is not a multiple of one image's {one}.")
    return from_raw(raw, spec, (len(raw) // one, *spec.shape[1:]))


def _check_size(size: object, rest: int, tensor: Mapping[str, Any]) -> None:
    if type(size) is not int or size != rest:
        raise UsageError(f"binary_data_size is {size!r:.40}, but {rest} bytes follow the body's JSON.")
    if "data" in tensor:
        raise UsageError("The input has both data and binary_data_size.", fix="Send one of them.")


def _objects(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{key!r} is not a list of objects.")
    return value


def _parameters(holder: Mapping[str, Any]) -> dict[str, Any]:
    value = holder.get("parameters", {})
    if not isinstance(value, dict):
        raise UsageError("'parameters' is not an object.")
    return value


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    if not isinstance(value, str):
        raise UsageError(f"An input's {key} is {value!r:.80}; expected a text.")
    return value


def _raw(output: Output) -> bytes:
    if isinstance(output.values, np.ndarray):
        return output.values.astype(output.values.dtype.newbyteorder("<"), copy=False).tobytes()
    return to_text_bytes(output.values)


def _plain(output: Output) -> list[Any]:
    if isinstance(output.values, np.ndarray):
        if not finite(output):
            raise UsageError(
                f"The output {output.name!r} is not finite, which JSON cannot hold.", fix="Ask for binary_data."
            )
        flat: list[Any] = output.values.ravel().tolist()
        return flat
    return [text.decode() for text in output.values]
