"""Whether what Triton runs before a model is ready can run, and is like what will come."""

import math
from collections.abc import Iterator
from typing import Any

from ran_deploy.packaging.lint_view import ModelView
from ran_deploy.packaging.result import Finding
from ran_deploy.packaging.warmup import WARMUP_FOLDER

_BYTES = {"TYPE_UINT8": 1, "TYPE_FP16": 2, "TYPE_FP32": 4}


def check_warmups(model: ModelView) -> Iterator[Finding]:
    """Check each warm-up's inputs, shapes, types and files."""
    inputs = {tensor.name: tensor for tensor in model.config.input}
    largest = model.config.max_batch_size
    for place, warmup in enumerate(model.config.model_warmup):
        field = f"model_warmup[{place}]"
        if not 1 <= warmup.batch_size <= max(largest, 1):
            yield model.error(
                "warmup",
                f"{field}.batch_size",
                f"The batch size {warmup.batch_size} is not within 1 to {max(largest, 1)}.",
                "Correct it; without batching it is 1.",
            )
        for name in sorted(set(inputs) ^ set(warmup.inputs)):
            yield model.error(
                "warmup",
                f"{field}.inputs",
                f"The input {name!r} is {'missing' if name in inputs else 'none of the model'}.",
                "Give exactly the inputs of the model.",
            )
        for name, given in warmup.inputs.items():
            if name in inputs:
                yield from _input(model, f"{field}.inputs[{name!r}]", given, inputs[name])


def _input(model: ModelView, field: str, given: Any, tensor: Any) -> Iterator[Finding]:
    kinds = given.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    kind = kinds[given.data_type].name
    if given.data_type != tensor.data_type:
        yield model.error(
            "warmup",
            f"{field}.data_type",
            f"The warm-up is {kind}, but the input {kinds[tensor.data_type].name}.",
            f"Set data_type: {kinds[tensor.data_type].name}.",
        )
    dims, expected = list(given.dims), list(tensor.dims)
    if len(dims) != len(expected) or any(
        right not in (-1, side) or side < 1 for side, right in zip(dims, expected, strict=True)
    ):
        yield model.error(
            "warmup", f"{field}.dims", f"The dims are {dims}, but the input's are {expected}.", "Give the input's dims."
        )
    if given.WhichOneof("input_data_type") != "input_data_file":
        yield model.warning(
            "warmup",
            field,
            "The warm-up is made up: it has the shape of what will come, but neither its values nor its ranges.",
            "Give real images as a raw file with input_data_file.",
        )
    elif kind in _BYTES and all(side > 0 for side in dims):
        yield from _file(model, field, given.input_data_file, math.prod(dims) * _BYTES[kind])


def _file(model: ModelView, field: str, name: str, expected: int) -> Iterator[Finding]:
    path = model.folder / WARMUP_FOLDER / name
    if not path.is_file():
        yield model.error(
            "warmup",
            f"{field}.input_data_file",
            f"{WARMUP_FOLDER}/{name} is not there.",
            "Restore it, or package the engine again.",
        )
        return
    content = path.read_bytes()
    if len(content) != expected:
        yield model.error(
            "warmup",
            f"{field}.input_data_file",
            f"{name} has {len(content)} bytes; one request of these dims has {expected}.",
            "Write one request's values; Triton repeats them for a batch.",
            file=path,
        )
    elif len(set(content)) == 1:
        yield model.warning(
            "warmup", f"{field}.input_data_file", f"{name} holds one value only.", "Give a real image.", file=path
        )
