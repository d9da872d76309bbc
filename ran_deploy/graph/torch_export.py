"""From a PyTorch module to an ONNX model: the one call of the exporter, and what keeps it quiet."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch

from ran_deploy.arch.deployable import Deployable, DeployableWithMasks
from ran_deploy.errors import RanDeployError
from ran_deploy.graph.tidy import leftovers, tidy
from ran_deploy.manifest import DYNAMIC, Contract

OPSET = 20
_MAX_BATCH = 1 << 16


def to_onnx(module: Deployable | DeployableWithMasks, contract: Contract, metadata: dict[str, str]) -> onnx.ModelProto:
    """Export a network with its input contract: opset 20, dynamic batch, all other sizes static.

    Args:
        module: The network behind its contract, in evaluation mode.
        contract: Gives the input's type and shape, and the names of the outputs.
        metadata: Put into the model's metadata.

    Raises:
        RanDeployError: The exporter left operations that compute sizes, which a later runtime would pay for.
    """
    shape = [2 if side == DYNAMIC else side for side in contract.input.shape]
    example = torch.zeros(shape, dtype=getattr(torch, contract.input.dtype))
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            optimize=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[contract.input.name],
            output_names=[spec.name for spec in (contract.output, *contract.masks)],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)},),
            verbose=False,
        )
    assert program is not None  # noqa: S101
    model = tidy(program.model_proto, metadata)
    if (left := leftovers(model)) or model.opset_import[0].version != OPSET:
        raise RanDeployError(
            f"The exporter of torch {torch.__version__} left {left or 'another opset'} in the graph.",
            fix="Use a version of torch that ran-deploy was tested with.",
        )
    onnx.checker.check_model(model, full_check=True)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter (missing torchvision, deprecations of its own parts) from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
