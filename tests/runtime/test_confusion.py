import numpy as np
import pytest

from ran_deploy.runtime.confusion import Mistake, class_accuracies, count_confusion, worst_mistakes

_LABELS = ("red", "green", "blue", "none")
_MATRIX = ((3, 1, 0, 0), (0, 2, 2, 0), (0, 1, 0, 0), (0, 0, 0, 0))


def test_counts_by_true_and_predicted_class() -> None:
    true = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    named = np.array([0, 0, 1, 0, 1, 2, 1, 2, 1])
    assert count_confusion(true, named, 4) == _MATRIX


def test_recall_and_precision() -> None:
    red, green, blue, none = class_accuracies(_MATRIX, _LABELS)
    assert (red.samples, red.accuracy, red.precision) == (4, 75.0, 100.0)
    assert (green.samples, green.accuracy, green.precision) == (4, 50.0, 50.0)
    assert (blue.samples, blue.accuracy, blue.precision) == (1, 0.0, 0.0)
    assert (none.samples, none.accuracy, none.accuracy_ci95, none.precision) == (0, None, None, None)
    assert red.accuracy_ci95 == pytest.approx((30.06, 95.44), abs=0.01)  # Wilson's interval of 3 in 4, by hand


def test_the_worst_mistakes_come_first() -> None:
    assert worst_mistakes(_MATRIX, _LABELS, 2) == (
        Mistake(label="green", taken_for="blue", images=2),
        Mistake(label="red", taken_for="green", images=1),
    )
    assert worst_mistakes(((5, 0), (0, 5)), _LABELS[:2], 10) == ()
