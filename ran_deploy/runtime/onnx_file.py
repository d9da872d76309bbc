"""ONNX files: read with clear refusals, and understood where no manifest explains them."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_file
from ran_deploy.manifest import DYNAMIC, Contract, Preprocessing, TensorSpec

_DTYPES = {onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.FLOAT16: "float16"}


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file and check that it is a whole, valid model.

    Raises:
        UsageError: The file is missing or is a folder.
        IntegrityError: It is empty, truncated, or not a valid ONNX model.
    """
    require_file(path, what="ONNX model")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise IntegrityError(
            f"{path} is not a whole ONNX model: {reason}.", fix="Restore the file, or export it again."
        ) from error
    if not model.graph.node:  # what an empty message decodes to
        raise IntegrityError(f"{path} is an ONNX model without nodes.", fix="Restore the file, or export it again.")
    return model


def infer_contract(model: onnx.ModelProto) -> Contract:
    """Read the contract of a model without a manifest from its own input and output.

    Labels are the class numbers. The normalization of a float32 input is not in the file: mean 0 and deviation 1,
    which is pixels on the scale 0 to 1, stand in its place.

    Raises:
        UsageError: The model is not a classifier of square RGB images that ran-deploy can feed.
    """
    constants = {initializer.name for initializer in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise _unsuitable(f"has {len(inputs)} inputs and {len(model.graph.output)} outputs; expected one of each")
    images, logits = _shape(inputs[0]), _shape(model.graph.output[0])
    dtype = _DTYPES.get(inputs[0].type.tensor_type.elem_type, "another type")
    kinds = {("uint8", images[3:]): "NHWC", ("float32", images[1:2]): "NCHW"} if len(images) == 4 else {}
    layout = kinds.get((dtype, (3,)))
    sides = set(images[1:3] if layout == "NHWC" else images[2:4])
    if layout is None or len(sides) != 1 or sides == {DYNAMIC}:
        raise _unsuitable(f"takes {dtype} {list(images)}; expected uint8 [N, S, S, 3] or float32 [N, 3, S, S]")
    out = _DTYPES.get(model.graph.output[0].type.tensor_type.elem_type)
    if out not in ("float32", "float16") or len(logits) != 2 or logits[1] < 2:
        raise _unsuitable(f"returns {out or 'another type'} {list(logits)}; expected logits [N, classes]")
    return Contract(
        input=TensorSpec(name=inputs[0].name, dtype=dtype, shape=images, layout=layout),  # type: ignore[arg-type]
        output=TensorSpec(name=model.graph.output[0].name, dtype=out, shape=logits, layout="NC"),  # type: ignore[arg-type]
        preprocessing=Preprocessing(resize=None, size=sides.pop(), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        labels=tuple(str(index) for index in range(logits[1])),
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else DYNAMIC
        for dim in value.type.tensor_type.shape.dim
    )


def _unsuitable(what: str) -> UsageError:
    return UsageError(f"The ONNX model {what}.", fix="Export a classifier with: ran-deploy export")
