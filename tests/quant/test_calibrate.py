"""Observed ranges against what numpy and onnxruntime's own calibrator find, and with bounded memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.calibrate import (  # type: ignore[import-untyped]
    CalibrationDataReader,
    MinMaxCalibrater,
)

from ran_deploy.errors import GateError, UsageError
from ran_deploy.quant.calibrate import METHODS, Method, calibrate

ACTIVATIONS = ("normal", "relu", "pooled", "up", "soft")
ROOT = Path(__file__).parents[2]


def images(count: int = 24, size: int = 8) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(2)
    everything = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return (everything[start : start + size] for start in range(0, count, size))


def magnitudes(model: onnx.ModelProto, name: str) -> np.ndarray:
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    probed.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = np.abs(
        np.concatenate([session.run([name], {"images": batch})[0].ravel() for batch in images()])
    )
    return found


def test_minmax_is_the_largest_magnitude(model: onnx.ModelProto) -> None:
    ranges = calibrate(model, ACTIVATIONS, images, count=24, method="minmax")
    assert tuple(ranges.amax) == ACTIVATIONS
    for name in ACTIVATIONS:
        assert ranges.amax[name] == pytest.approx(magnitudes(model, name).max(), rel=1e-5)
    assert set(ranges.maxima) > set(ACTIVATIONS)


def test_minmax_equals_onnxruntimes_own(model: onnx.ModelProto, tmp_path: Path) -> None:
    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = images()

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.left, None)
            return None if batch is None else {"images": batch}

    onnx.save(model, tmp_path / "model.onnx")
    augmented = str(tmp_path / "augmented.onnx")
    theirs = MinMaxCalibrater(tmp_path / "model.onnx", augmented_model_path=augmented, symmetric=True)
    theirs.augment_graph()
    theirs.create_inference_session()
    theirs.collect_data(Reader())
    found = theirs.compute_data()
    ours = calibrate(model, ACTIVATIONS, images, count=24, method="minmax")
    for name in ACTIVATIONS:
        assert ours.amax[name] == pytest.approx(float(np.max(found[name].highest)), rel=1e-5)


def test_percentile_is_the_percentile(model: onnx.ModelProto) -> None:
    ranges = calibrate(model, ACTIVATIONS, images, count=24, method="percentile")
    for name in ACTIVATIONS:
        seen = magnitudes(model, name)
        bin_width = float(seen.max()) / 2048
        assert ranges.amax[name] == pytest.approx(np.percentile(seen, 99.999, method="inverted_cdf"), abs=2 * bin_width)


def test_entropy_clips_an_outlier(model: onnx.ModelProto) -> None:
    """Images of mid-grey, which is nearly 0 after the normalization, with one white pixel in all of them."""
    grey = np.random.default_rng(0).integers(124, 133, (24, 32, 32, 3), dtype=np.uint8)
    grey[7, 3, 4] = 255
    found = {
        method: calibrate(model, ("stem",), lambda: [grey], count=24, method=method).amax["stem"] for method in METHODS
    }
    assert 0.05 * found["minmax"] < found["entropy"] < 0.5 * found["minmax"]


@pytest.mark.parametrize("method", METHODS)
def test_ranges_do_not_depend_on_the_batches(model: onnx.ModelProto, method: Method) -> None:
    small = calibrate(model, ACTIVATIONS, lambda: images(size=5), count=24, method=method)
    large = calibrate(model, ACTIVATIONS, lambda: images(size=24), count=24, method=method)
    assert small.amax == pytest.approx(large.amax, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_dead_activation_has_range_zero(model: onnx.ModelProto, method: Method) -> None:
    (gamma, beta) = (tensor for tensor in model.graph.initializer if tensor.name in ("gamma", "beta"))
    gamma.CopyFrom(numpy_helper.from_array(np.zeros(8, np.float32), "gamma"))
    beta.CopyFrom(numpy_helper.from_array(np.full(8, -1, np.float32), "beta"))
    ranges = calibrate(model, ACTIVATIONS, images, count=24, method=method)
    assert (ranges.amax["relu"], ranges.amax["pooled"]) == (0, 0)
    assert ranges.amax["normal"] > 0


def test_a_model_that_overflows_is_refused_by_name(model: onnx.ModelProto) -> None:
    (variance,) = (tensor for tensor in model.graph.initializer if tensor.name == "var")
    variance.CopyFrom(numpy_helper.from_array(np.full(8, -1, np.float32), "var"))
    with pytest.raises(GateError, match=r"infinity or NaN for calibration images, first in bn"):
        calibrate(model, ACTIVATIONS, images, count=24, method="minmax")


def test_an_unknown_method_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(UsageError, match="'mse'"):
        calibrate(model, ACTIVATIONS, images, count=24, method="mse")  # type: ignore[arg-type]


def test_nothing_is_printed_on_stdout(model: onnx.ModelProto, capsys: pytest.CaptureFixture[str]) -> None:
    calibrate(model, ACTIVATIONS, images, count=24, method="percentile")
    assert capsys.readouterr().out == ""


MEMORY = """
import resource, sys
import numpy as np
from ran_deploy.quant.calibrate import calibrate
from tests.quant.small import small_model
count = int(sys.argv[1])
def batches():
    rng = np.random.default_rng(0)
    for _ in range(count // 16):
        yield rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
names = ("normal", "stem", "bn", "relu", "pooled", "mask", "up", "soft", "attended", "fused")
calibrate(small_model(), names, batches, count=count, method="percentile")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_images() -> None:
    """All activations of 512 images would be 145 MB more than those of 64."""

    def peak_mb(count: int) -> float:
        command = [sys.executable, "-c", MEMORY, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return float(done.stdout)

    assert peak_mb(512) < peak_mb(64) + 20
