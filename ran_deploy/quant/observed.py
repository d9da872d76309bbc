"""The ranges of a model's activations on a calibration set: from the cache, or observed now and kept."""

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import onnx

from ran_deploy import __version__
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.manifest import Contract, Manifest
from ran_deploy.optional import versions
from ran_deploy.quant.calibrate import BINS, PERCENTILE, Method, Ranges, calibrate
from ran_deploy.quant.range_cache import read_ranges, write_ranges
from ran_deploy.quant.subset import Subset

_BATCH_PIXELS = 16 * 32 * 32


def observed_ranges(
    model: onnx.ModelProto, activations: tuple[str, ...], source: Manifest, subset: Subset, method: Method
) -> Ranges:
    """Return the ranges of a model's activations on calibration images.

    Args:
        model: The float32 model, prepared.
        activations: The values that will be quantized.
        source: The model's manifest; its hash is a part of the cache's key.
        subset: The calibration images.
        method: How a range is chosen.

    Raises:
        RanDeployError: As :func:`ran_deploy.quant.calibrate.calibrate`.
    """
    key = {
        "onnx": source.sha256,
        "input": source.contract.input,
        "preprocessing": source.contract.preprocessing,
        "images": subset.digest,
        "method": method_settings(method),
        "activations": activations,
        "versions": used_versions(),
    }
    if (found := read_ranges(key)) is not None:
        return found
    ranges = calibrate(
        model, activations, lambda: engine_inputs(source.contract, subset), count=len(subset), method=method
    )
    write_ranges(key, ranges)
    return ranges


def engine_inputs(contract: Contract, subset: Subset) -> Iterator[npt.NDArray[Any]]:
    """Yield the images as the model's input takes them, in batches of about the same number of pixels.

    Every activation of a batch is in memory at once: 16 images of 32 pixels, or one of 224.
    """
    size = max(1, _BATCH_PIXELS // contract.preprocessing.size**2)
    return (to_engine_input(images, contract) for images in subset.batches(size))


def method_settings(method: Method) -> dict[str, Any]:
    """Return the method with whatever else determines the ranges."""
    settings: dict[str, Any] = {"method": method}
    if method != "minmax":
        settings["bins"] = BINS
    if method == "percentile":
        settings["percentile"] = PERCENTILE
    return settings


def used_versions() -> dict[str, str]:
    """Return the versions of whatever has a part in the ranges."""
    return {"ran-deploy": __version__, **versions("numpy", "onnx", "onnxruntime")}
