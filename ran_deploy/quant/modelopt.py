"""NVIDIA's own tool on the same calibration images: ``--backend modelopt``, the yardstick of the own placement.

Documented at nvidia.github.io/Model-Optimizer, "ONNX quantization"; tried with nvidia-modelopt 0.47. Without
calibration data it would use random data without a word, so it is always given a reader.
"""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract
from ran_deploy.optional import require
from ran_deploy.quant.calibrate import Method
from ran_deploy.quant.observed import engine_inputs
from ran_deploy.quant.subset import Subset

MODELOPT_METHODS: dict[Method, str] = {"entropy": "entropy", "minmax": "max"}
"""The calibration methods that it has, by our name."""


def modelopt_int8(
    model: onnx.ModelProto,
    contract: Contract,
    subset: Subset,
    *,
    method: Method,
    high_precision: str,
    keep: frozenset[str],
) -> onnx.ModelProto:
    """Quantize a float32 model with ModelOpt, on the CPU.

    Args:
        model: The float32 model.
        contract: Its contract.
        subset: The calibration images.
        method: "entropy" or "minmax".
        high_precision: "fp32" or "fp16", for what is not INT8.
        keep: Nodes that it must leave alone.

    Raises:
        UsageError: A method that it does not have, or it refuses the model.
        MissingError: ModelOpt is not installed.
    """
    if method not in MODELOPT_METHODS:
        raise UsageError(
            f"ModelOpt has no calibration method {method!r}.",
            fix=f"Use --method {' or '.join(MODELOPT_METHODS)}, or --backend own.",
        )
    tool = require("modelopt.onnx.quantization", "ran-deploy quantize --backend modelopt")
    with tempfile.TemporaryDirectory(prefix="ran-deploy-") as folder:
        source, result = Path(folder) / "model.onnx", Path(folder) / "quantized.onnx"
        onnx.save(model, source)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # it prints; stdout belongs to the command's result
                tool.quantize(
                    str(source),
                    quantize_mode="int8",
                    calibration_data_reader=_Reader(contract, subset),
                    calibration_method=MODELOPT_METHODS[method],
                    calibration_eps=["cpu"],
                    nodes_to_exclude=sorted(keep),
                    high_precision_dtype=high_precision,
                    output_path=str(result),
                    log_level=logging.getLevelName(logging.WARNING),
                )
            return onnx.load(result)
        except Exception as error:  # the tool raises whatever its parts raise
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise UsageError(f"ModelOpt cannot quantize the model: {reason}.", fix="Use --backend own.") from error


class _Reader:
    """The images as onnxruntime's calibrators read them, batch by batch."""

    def __init__(self, contract: Contract, subset: Subset) -> None:
        self._contract, self._subset = contract, subset
        self._batches: Iterator[npt.NDArray[Any]] = iter(())
        self.rewind()

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        """Return the next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {self._contract.input.name: batch}

    def get_first(self) -> dict[str, npt.NDArray[Any]]:
        """Return the first batch without moving on."""
        return {self._contract.input.name: next(engine_inputs(self._contract, self._subset))}

    def rewind(self) -> None:
        """Begin again."""
        self._batches = engine_inputs(self._contract, self._subset)
