"""ONNX files: read with clear refusals, and understood where no manifest explains them."""

from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from ran_deploy.data.contract import MASK_PREFIX
from ran_deploy.errors import IntegrityError
from ran_deploy.files import require_file
from ran_deploy.manifest import DYNAMIC, Contract, TensorSpec
from ran_deploy.runtime.infer_contract import infer_contract
from ran_deploy.runtime.io_check import Port

_DTYPES: dict[int, str] = {
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
}


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


def onnx_contract(model: onnx.ModelProto) -> Contract:
    """Read the contract of a model without a manifest; see :func:`~ran_deploy.runtime.infer_contract.infer_contract`.

    Raises:
        UsageError: The model is not a classifier of square RGB images that ran-deploy can feed.
    """
    constants = {initializer.name for initializer in model.graph.initializer}
    inputs = [_port(value) for value in model.graph.input if value.name not in constants]
    outputs = [_port(value) for value in model.graph.output]
    masks = tuple(_mask(port) for port in outputs if _is_mask(port))
    contract = infer_contract("The ONNX model", inputs, [port for port in outputs if not _is_mask(port)])
    return replace(contract, masks=masks)


def _is_mask(port: Port) -> bool:
    """Whether an output is one that ``export --with-masks`` adds."""
    return port.name.startswith(MASK_PREFIX) and port.dtype == "float32" and len(port.shape) == 3


def _mask(port: Port) -> TensorSpec:
    return TensorSpec(name=port.name, dtype="float32", shape=port.shape, layout="NHW")


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else DYNAMIC for dim in tensor.shape.dim
    )
    return Port(name=value.name, dtype=_DTYPES.get(tensor.elem_type, "another type"), shape=shape)
