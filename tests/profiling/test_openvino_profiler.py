import pytest

from ran_deploy.profiling.openvino_profiler import without_warmup
from ran_deploy.profiling.result import ProfileResult


def test_the_warm_up_is_taken_out_of_the_mean() -> None:
    # Runs of 100, 20, 12, 8 and 10 µs: the counter says 60 after two of them and 30 after all.
    assert without_warmup(30.0, 60.0, 2, 3) == 10.0
    assert without_warmup(30.0, 0.0, 0, 5) == 30.0
    assert without_warmup(1.0, 4.0, 2, 2) == 0.0  # whole µs may give less than nothing


def test_a_real_profile(in_openvino: ProfileResult) -> None:
    assert in_openvino.session.runtime == "openvino"
    assert not [kernel for kernel in in_openvino.kernels if kernel.branch == "other" and kernel.nodes]
    assert {"Convolution", "MaxPool"} <= {kernel.op for kernel in in_openvino.kernels}
    fused = [kernel for kernel in in_openvino.kernels if kernel.op == "Convolution" and len(kernel.nodes) > 1]
    assert fused, "OpenVINO fuses activations into convolutions, and says so"
    assert sum(kernel.us for kernel in in_openvino.kernels) == pytest.approx(in_openvino.total.us)
