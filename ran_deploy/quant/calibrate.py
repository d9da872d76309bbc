"""The magnitude that int8 must represent for each activation, observed on real images.

Two passes: the largest magnitudes, computed inside the graph, then histograms over exactly that range, collected
by ONNX Runtime's calibrator batch by batch. Its own single pass grows a histogram with every new maximum, without
a bound, keeps all activations of all images until it is asked for the result, and depends on the batch size.
"""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from ran_deploy.errors import GateError, UsageError
from ran_deploy.optional import require
from ran_deploy.progress import Progress
from ran_deploy.quant.entropy import entropy_threshold
from ran_deploy.quant.ranges import observe_ranges

Method = Literal["entropy", "percentile", "minmax"]
METHODS: tuple[Method, ...] = get_args(Method)
PERCENTILE = 99.999
BINS = 2048
"""Histogram bins from 0 to the largest magnitude."""
_SLACK = 1.001
"""Histograms reach a little further than the maxima, which another graph may have computed with other rounding."""
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """What the images have shown."""

    maxima: dict[str, float]
    """Largest magnitude of every float32 value of the model."""
    amax: dict[str, float]
    """Magnitude that int8's 127 stands for, by activation; what lies beyond is clipped."""


def calibrate(
    model: onnx.ModelProto,
    activations: tuple[str, ...],
    batches: Callable[[], Iterable[npt.NDArray[Any]]],
    *,
    count: int,
    method: Method,
) -> Ranges:
    """Observe a model on images and choose the range of each activation.

    "minmax" takes the largest magnitude; "percentile" the 99.999th percentile of the magnitudes; "entropy" the
    range whose 128 steps lose least of the distribution's information. Memory does not depend on the number of
    images: each batch's activations become counts before the next batch is read.

    Args:
        model: A float32 model with one input, prepared by :func:`ran_deploy.quant.prepare.prepare`.
        activations: The values that will be quantized.
        batches: Starts reading the images anew, as arrays that the model's input takes.
        count: Number of images, for the progress.
        method: How to choose.

    Raises:
        UsageError: An unknown method.
        GateError: The float32 model itself gives infinity or NaN for some image.
        MissingError: ONNX Runtime is not installed.
    """
    if method not in METHODS:
        raise UsageError(f"There is no calibration method {method!r}.", fix=f"Use one of {', '.join(METHODS)}.")
    with Progress("maxima", count, "images") as progress:
        maxima = observe_ranges(model, batches(), advance=progress.advance)
    if broken := [name for name, value in maxima.items() if not np.isfinite(value)]:
        raise GateError(
            f"The float32 model gives infinity or NaN for calibration images, first in {', '.join(broken[:_NAMED])}.",
            fix="Check its weights and the preprocessing; such a model cannot be calibrated.",
            details={"values": broken},
        )
    largest = {name: maxima[name] for name in activations}
    if method == "minmax":
        return Ranges(maxima=maxima, amax=largest)
    seen = {name: value for name, value in largest.items() if value > 0}
    with Progress("histograms", count, "images") as progress:
        collector = _collect(model, seen, batches(), progress.advance)
    amax = _percentiles(collector) if method == "percentile" else _entropies(collector)
    # A range of 0 would mean that nearly all values are in the first bin.
    return Ranges(maxima=maxima, amax={name: min(amax.get(name) or value, value) for name, value in largest.items()})


def _collect(
    model: onnx.ModelProto,
    largest: dict[str, float],
    batches: Iterable[npt.NDArray[Any]],
    advance: Callable[[int], None],
) -> Any:
    """Fill ONNX Runtime's collector with histograms over [-max, max] of each activation."""
    ort = require("onnxruntime", "Calibration")
    from onnxruntime.quantization.calibrate import HistogramCollector  # type: ignore[import-untyped]

    collector = HistogramCollector(
        method="entropy", symmetric=True, num_bins=2 * BINS, num_quantized_bins=256, percentile=PERCENTILE, scenario=""
    )
    for name, value in largest.items():
        edge = np.float32(value * _SLACK)
        edges = np.linspace(-edge, edge, 2 * BINS + 1, dtype=np.float32)
        collector.histogram_dict[name] = (np.zeros(2 * BINS, np.int64), edges, -edge, edge, edge)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in largest)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for batch in batches:
        values = session.run(list(largest), {model.graph.input[0].name: batch})
        with _quiet():
            collector.collect(dict(zip(largest, values, strict=True)))
        advance(len(batch))
    return collector


def _percentiles(collector: Any) -> dict[str, float]:
    for name, entry in collector.histogram_dict.items():
        counts, edges, least, most, _ = entry
        collector.histogram_dict[name] = (_folded(counts), edges[len(counts) // 2 :], least, most)
    collector.method = "percentile"
    with _quiet():
        found = collector.compute_collection_result()
    return {name: float(values[1]) for name, values in found.items()}


def _entropies(collector: Any) -> dict[str, float]:
    """Not by the collector's own search: that is quadratic, and with its default 128 bins it equals "minmax"."""
    return {
        name: float(threshold) * entropy_threshold(_folded(counts))
        for name, (counts, _, _, _, threshold) in collector.histogram_dict.items()
    }


def _folded(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Turn counts over [-max, max] into counts of magnitudes over [0, max]."""
    half = len(counts) // 2
    folded: npt.NDArray[np.int64] = counts[half:] + counts[:half][::-1]
    return folded


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Keep the calibrator's prints off stdout, which belongs to the command's result."""
    return contextlib.redirect_stdout(io.StringIO())
