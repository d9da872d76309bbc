"""The accuracy gate: verdicts, what they do, and how many images would decide."""

import pytest

from ran_deploy.errors import GateError, UsageError
from ran_deploy.runtime.gate import DEFAULT_MAX_DROP, Gate, require_gate, statement
from ran_deploy.runtime.paired import PairedAccuracy, mcnemar_exact, tango_interval


def paired(worse: int, better: int, samples: int) -> PairedAccuracy:
    low, high = tango_interval(better, worse, samples)
    return PairedAccuracy(
        samples=samples,
        reference_top1=90.0,
        candidate_top1=90.0 + 100 * (better - worse) / samples,
        difference_points=100 * (better - worse) / samples,
        difference_ci95=(100 * low, 100 * high),
        only_reference_right=worse,
        only_candidate_right=better,
        mcnemar_p=mcnemar_exact(worse, better),
        agreement=100 - 100 * (better + worse) / samples,
    )


@pytest.mark.parametrize(
    ("counts", "max_drop", "verdict", "passed"),
    [
        ((0, 0, 10_000), 0.1, "PASS", True),
        ((3, 2, 10_000), 0.1, "PASS", True),
        ((100, 60, 10_000), 0.5, "UNDECIDED", True),
        ((0, 0, 1000), 0.1, "UNDECIDED", True),
        ((10, 0, 10_000), 0.1, "UNDECIDED", True),  # the estimate is exactly the limit
        ((11, 0, 10_000), 0.1, "UNDECIDED", False),
        ((40, 0, 10_000), 0.1, "FAIL", False),
        ((1200, 100, 10_000), 0.5, "FAIL", False),
        ((0, 50, 10_000), 0.1, "PASS", True),
    ],
)
def test_verdicts(counts: tuple[int, int, int], max_drop: float, verdict: str, passed: bool) -> None:
    result = Gate(max_drop=max_drop).judge(paired(*counts))
    assert (result.verdict, result.passed) == (verdict, passed)
    assert result.summary.startswith(verdict)


@pytest.mark.parametrize(
    ("counts", "max_drop"), [((0, 0, 1000), 0.1), ((100, 60, 10_000), 0.5), ((12, 0, 10_000), 0.1)]
)
def test_the_images_needed_decide_and_fewer_do_not(counts: tuple[int, int, int], max_drop: float) -> None:
    worse, better, samples = counts
    needed = Gate(max_drop=max_drop).judge(paired(*counts)).images_needed
    assert needed is not None

    def undecided(images: int) -> bool:
        low, high = tango_interval(better / samples * images, worse / samples * images, images)
        return 100 * low <= -max_drop <= 100 * high

    assert undecided(needed - 1)
    assert not undecided(needed)


def test_no_number_of_images_decides_at_the_limit() -> None:
    result = Gate(max_drop=0.1).judge(paired(10, 0, 10_000))
    assert result.images_needed is None
    assert "no test set would decide" in result.summary


def test_the_need_is_rounded_up_to_what_is_known() -> None:
    result = Gate(max_drop=0.1).judge(paired(0, 0, 1000))
    assert result.images_needed == 3838
    assert "1,000 images are too few to be sure; about 3,900 images would decide" in result.summary


def test_a_failed_gate_is_an_error_with_the_numbers() -> None:
    comparison = paired(140, 20, 10_000)
    with pytest.raises(GateError) as caught:
        require_gate(comparison, Gate(max_drop=0.5), candidate="att92_int8.onnx", reference="att92.onnx")
    assert caught.value.exit_code == 3
    assert "att92_int8.onnx is too inaccurate against att92.onnx" in caught.value.message
    assert "-1.20 points" in caught.value.message
    assert caught.value.details["paired"] == comparison
    assert caught.value.details["gate"].verdict == "FAIL"


def test_statement_gives_difference_and_interval() -> None:
    assert statement(paired(100, 60, 10_000)) == (
        "89.60% against 90.00%, -0.40 points (95% interval -0.65 to -0.15) on 10,000 images."
    )


@pytest.mark.parametrize("max_drop", [0.0, -0.1, 100.0, float("nan")])
def test_an_impossible_limit_is_refused(max_drop: float) -> None:
    with pytest.raises(UsageError, match="max-drop"):
        Gate(max_drop=max_drop)


def test_defaults() -> None:
    assert DEFAULT_MAX_DROP == {"fp16": 0.1, "int8": 0.5}
