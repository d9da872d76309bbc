import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.runtime.confidence import confidences, measure_calibration


def _measured(confidence: list[float], correct: list[int]):  # type: ignore[no-untyped-def]
    return measure_calibration(np.array(confidence), np.array(correct, bool))


def test_confidence_is_the_softmax_of_the_likeliest_class() -> None:
    logits = np.log(np.array([[1, 2, 5], [8, 1, 1]], np.float32))
    assert confidences(logits) == pytest.approx([5 / 8, 8 / 10], abs=1e-7)


def test_large_logits_do_not_overflow() -> None:
    found = confidences(np.array([[1e30, 0.0], [3e38, -3e38], [700.0, 700.0]], np.float32))
    assert found.tolist() == [1.0, 1.0, 0.5]


def test_always_sure_and_right_three_times_of_four() -> None:
    found = _measured([1.0] * 4, [1, 1, 1, 0])
    assert (found.ece_points, found.mean_confidence) == (25.0, 100.0)
    assert [one.samples for one in found.bins] == [0] * 14 + [4]
    assert (found.bins[-1].accuracy, found.bins[-1].confidence) == (75.0, 100.0)
    assert (found.bins[0].accuracy, found.bins[0].confidence) == (None, None)


def test_a_calibrated_engine_has_no_error() -> None:
    found = _measured([0.5] * 4 + [0.75] * 4, [1, 1, 0, 0, 1, 1, 1, 0])
    assert found.ece_points == 0


def test_bins_are_weighted_by_their_images() -> None:
    # 6 images at 0.9 of which 3 are right, gap 0.4; 2 images at 0.3 that are both right, gap 0.7.
    found = _measured([0.9] * 6 + [0.3] * 2, [1, 0, 1, 0, 1, 0, 1, 1])
    assert found.ece_points == pytest.approx(100 * (6 * 0.4 + 2 * 0.7) / 8)


def test_within_a_bin_over_and_underconfidence_cancel() -> None:
    """The known weakness of the definition: both lie in (14/15, 1]."""
    found = _measured([0.94, 0.96], [0, 1])
    assert found.ece_points == pytest.approx(100 * (0.94 + 0.96 - 1) / 2)


@pytest.mark.parametrize(("confidence", "place"), [(1 / 15, 0), (1 / 15 + 1e-9, 1), (0.2, 2), (0.2001, 3), (1.0, 14)])
def test_a_bin_holds_its_upper_edge(confidence: float, place: int) -> None:
    found = _measured([confidence], [1])
    assert [number for number, one in enumerate(found.bins) if one.samples] == [place]
    assert found.bins[place].low == pytest.approx(100 * place / 15)
    assert found.bins[place].high == pytest.approx(100 * (place + 1) / 15)


def test_the_adaptive_error_parts_what_shares_a_bin() -> None:
    # 30 images in one bin of equal width: 15 pairs by confidence, of which the upper are all right.
    confidence = [0.95] * 16 + [0.99] * 14
    correct = [0, 1] * 8 + [1] * 14
    found = _measured(confidence, correct)
    assert found.ece_points == pytest.approx(100 * (16 * 0.95 + 14 * 0.99 - 22) / 30)
    assert found.adaptive_ece_points == pytest.approx(100 * (8 * (2 * 0.95 - 1) + 7 * (2 - 2 * 0.99)) / 30)


def test_the_order_of_the_images_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    confidence, correct, order = rng.random(500), rng.random(500) < 0.6, rng.permutation(500)
    first, second = (measure_calibration(confidence[take], correct[take]) for take in (np.arange(500), order))
    assert first.ece_points == pytest.approx(second.ece_points)
    assert first.adaptive_ece_points == pytest.approx(second.adaptive_ece_points)


def test_refuses_what_does_not_match() -> None:
    with pytest.raises(UsageError, match="2 confidences for 3 predictions"):
        measure_calibration(np.ones(2), np.ones(3, bool))
    with pytest.raises(UsageError, match="0 confidences for 0"):
        measure_calibration(np.ones(0), np.ones(0, bool))
