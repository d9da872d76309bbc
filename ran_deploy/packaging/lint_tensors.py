"""Whether the inputs and outputs of ``config.pbtxt`` are those of the engine."""

from collections.abc import Iterator
from typing import Any

from ran_deploy.manifest import DYNAMIC, TensorSpec
from ran_deploy.packaging.lint_view import ModelView
from ran_deploy.packaging.result import Finding
from ran_deploy.packaging.triton_config import DATA_TYPES, triton_dims


def check_tensors(model: ModelView) -> Iterator[Finding]:
    """Compare names, types and dimensions, and whether Triton may put a batch together."""
    batched = model.config.max_batch_size > 0
    for version in model.versions:
        if (contract := version.tensors) is None:
            continue
        where = f"{version.number}/{version.engine.name}"
        if batched and contract.input.shape[0] != DYNAMIC:
            yield model.error(
                "batch-axis",
                "max_batch_size",
                f"max_batch_size is {model.config.max_batch_size}, but {where} takes exactly "
                f"{contract.input.shape[0]} images, and Triton would add a batch dimension to them.",
                "Set max_batch_size to 0 and give the dims with the batch, or export the model with a dynamic batch.",
            )
            continue
        outputs = (contract.output, *contract.masks)
        yield from _side(model, "input", model.config.input, (contract.input,), where, complete=True)
        yield from _side(model, "output", model.config.output, outputs, where, complete=False)


def _side(
    model: ModelView, side: str, given: Any, specs: tuple[TensorSpec, ...], where: str, *, complete: bool
) -> Iterator[Finding]:
    known = {spec.name: spec for spec in specs}
    names = [tensor.name for tensor in given]
    for place, tensor in enumerate(given):
        field = f"{side}[{place}]"
        if tensor.name not in known:
            yield model.error(
                "names",
                f"{field}.name",
                f"The {side} {tensor.name!r} is not in {where}, which has {', '.join(known)}.",
                f"Name it {next(iter(known))!r}.",
            )
        else:
            yield from _tensor(model, field, tensor, known[tensor.name], where)
    missing = [name for name in known if name not in names]
    if missing and (complete or not names):
        yield model.error("names", side, f"The {side} {missing[0]!r} of {where} is not listed.", f"Add the {side}.")


def _tensor(model: ModelView, field: str, tensor: Any, spec: TensorSpec, where: str) -> Iterator[Finding]:
    asked = _type_name(tensor)
    if asked != DATA_TYPES[spec.dtype]:
        yield model.error(
            "types",
            f"{field}.data_type",
            f"{tensor.name!r} is {asked}, but {spec.dtype} in {where}.",
            f"Set data_type: {DATA_TYPES[spec.dtype]}.",
        )
    batched = model.config.max_batch_size > 0
    dims = list(tensor.reshape.shape) if tensor.HasField("reshape") else list(tensor.dims)
    expected = triton_dims(spec, batched=batched)
    if dims == expected:
        return
    if batched and dims == list(spec.shape):
        yield model.error(
            "batch-axis",
            f"{field}.dims",
            f"The dims of {tensor.name!r} are {dims}, batch included, but with max_batch_size "
            f"{model.config.max_batch_size} Triton adds the batch itself.",
            f"Set dims: {expected}.",
        )
    else:
        yield model.error(
            "dims",
            f"{field}.dims",
            f"The dims of {tensor.name!r} are {dims}, but {expected} in {where}.",
            f"Set dims: {expected}.",
        )


def _type_name(tensor: Any) -> str:
    field = tensor.DESCRIPTOR.fields_by_name["data_type"]
    return str(field.enum_type.values_by_number[tensor.data_type].name)
