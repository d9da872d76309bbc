import pytest

from ran_deploy.errors import RanDeployError
from ran_deploy.profiling.sample import KernelTime, median_sample, only_run, typical_sample


def sample(*times: float, ops: str = "abc") -> tuple[KernelTime, ...]:
    return tuple(
        KernelTime(name=f"{op}{us}", op=op, us=us, claims=(op,), start_us=0.0, ran=us > 0)
        for op, us in zip(ops, times, strict=False)
    )


def test_median_of_each_kernel() -> None:
    samples = [sample(1, 30, 2), sample(5, 10, 2), sample(3, 20, 90)]
    middle = median_sample(samples)
    assert [kernel.us for kernel in middle] == [3, 20, 2]
    assert [kernel.op for kernel in middle] == ["a", "b", "c"]
    assert {kernel.start_us for kernel in middle} == {None}


def test_the_typical_run_is_one_that_took_place() -> None:
    samples = [sample(1, 30, 2), sample(5, 10, 2), sample(3, 20, 90), sample(100, 100, 100)]
    assert typical_sample(samples) == samples[0]  # totals 33, 17, 113 and 300: the lower of the two in the middle


def test_what_never_ran_is_left_out() -> None:
    kept = only_run([sample(1, 0, 0), sample(1, 0, 2)])
    assert [[kernel.us for kernel in kernels] for kernels in kept] == [[1, 0], [1, 2]]


def test_other_kernels_in_another_run() -> None:
    with pytest.raises(RanDeployError, match="other kernels in some runs"):
        only_run([sample(1, 2), sample(1, 2, ops="ac")])
    with pytest.raises(RanDeployError):
        only_run([sample(1, 2), sample(1)])
