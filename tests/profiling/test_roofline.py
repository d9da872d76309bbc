import pytest

from ran_deploy.profiling.roofline import RooflineMeter
from tests.profiling.by_hand import ROOFLINE


@pytest.mark.parametrize(
    ("macs", "moved", "us"),
    [
        (5000, 100, 0.1),  # 10,000 operations at 100 per ns
        (100, 1000, 0.02),  # 1,000 bytes, that the cache holds, at 50 per ns
        (100, 1001, 0.1001),  # a byte more: at 10 per ns
        (0, 20_000, 4.0),
        (0, 50_000, 10.0),  # more than was measured: from memory
        (0, 0, 0.0),
    ],
)
def test_the_least_time_of_a_kernel(macs: int, moved: int, us: float) -> None:
    assert ROOFLINE.bound_us(macs, moved) == pytest.approx(us)


def test_measures_this_machine() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    meter = RooflineMeter(1)
    meter.probe(0.0)
    first = meter.result()
    meter.probe(0.0)
    roofline = meter.result()
    assert roofline.threads == 1
    assert roofline.gflops >= first.gflops > 0  # the best of all probes
    sizes = [level.working_set_bytes for level in roofline.bandwidths]
    speeds = [level.gbytes_per_s for level in roofline.bandwidths]
    assert sizes == sorted(sizes)
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] > 0
