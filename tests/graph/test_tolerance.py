import math

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.graph.parity import ParityMetrics, compare_logits
from ran_deploy.graph.tolerance import check_atol, tolerance_for


def metrics(images: int, *, flips: int = 0, difference: float = 0.0) -> ParityMetrics:
    """Compare logits of which the last ``flips`` swap two classes that lie 0.01 apart."""
    reference = np.tile(np.array([0.0, 0.01, -1.0], np.float32), (images, 1))
    candidate = reference.copy()
    candidate[0, 2] += difference
    if flips:
        candidate[-flips:, :2] = candidate[-flips:, 1::-1]
    found = compare_logits(reference, candidate)
    assert found.flips == flips
    return found


@pytest.mark.parametrize(
    ("precisions", "atol", "agreement"),
    [
        (("fp32", "fp32"), 1e-4, 1.0),
        (("fp32", "fp16"), 5e-2, 0.995),
        (("fp16", "fp32"), 5e-2, 0.995),
        (("fp16", "int8"), None, 0.98),
    ],
)
def test_the_lower_precision_rules(precisions: tuple[str, str], atol: float | None, agreement: float) -> None:
    rule = tolerance_for(precisions)
    assert (rule.atol, rule.agreement) == (atol, agreement)


def test_atol_overrides_the_difference_only() -> None:
    rule = tolerance_for(("fp32", "fp16"), 0.5)
    assert (rule.atol, rule.agreement) == (0.5, 0.995)
    assert tolerance_for(("fp32", "int8"), 0.5).atol == 0.5


def test_float32_allows_no_flip_but_ties() -> None:
    assert tolerance_for(("fp32",)).holds(metrics(1000))
    assert not tolerance_for(("fp32",)).holds(metrics(1000, flips=1))
    assert tolerance_for(("fp32",), 0.02).holds(metrics(1000, flips=1))


@pytest.mark.parametrize(("images", "allowed"), [(1000, 5), (400, 2), (64, 1), (1, 1)])
def test_float16_allows_one_flip_in_two_hundred_and_always_one(images: int, allowed: int) -> None:
    rule = tolerance_for(("fp32", "fp16"))
    assert rule.holds(metrics(images, flips=allowed))
    assert images == allowed or not rule.holds(metrics(images, flips=allowed + 1))


def test_int8_is_held_to_the_classes_and_not_to_the_logits() -> None:
    rule = tolerance_for(("fp32", "int8"))
    assert rule.holds(metrics(1000, flips=20, difference=-100))
    assert not rule.holds(metrics(1000, flips=21))


def test_the_difference_is_looked_at() -> None:
    assert not tolerance_for(("fp32",)).holds(metrics(10, difference=2e-4))
    assert not tolerance_for(("fp16",)).holds(metrics(10, difference=-0.06))
    assert tolerance_for(("fp16",)).holds(metrics(10, difference=-0.04))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_logits_that_are_not_finite_never_pass(precision: str) -> None:
    reference = np.zeros((1000, 2), np.float32)
    candidate = reference.copy()
    candidate[0, 0] = math.nan
    assert not tolerance_for((precision,), 1.0).holds(compare_logits(reference, candidate))


def test_the_rule_in_words() -> None:
    assert tolerance_for(("fp32",)).text() == "max abs ≤ 0.0001 and top-1 agreement ≥ 100% but for ties"
    assert tolerance_for(("fp32", "fp16")).text() == "max abs ≤ 0.05 and top-1 agreement ≥ 99.5%"
    assert tolerance_for(("int8",)).text() == "top-1 agreement ≥ 98%"


@pytest.mark.parametrize("atol", [0.0, -1.0, math.nan, math.inf])
def test_an_atol_must_be_a_finite_number_above_zero(atol: float) -> None:
    with pytest.raises(UsageError, match="expected a finite number above 0"):
        check_atol(atol)
