import numpy as np

from ran_deploy.runtime.predict import best_guesses


def test_large_logits_do_not_overflow() -> None:
    ((best,),) = best_guesses(np.array([[1e4, 0.0]], np.float32), ("a", "b"), 1)
    assert best.probability == 1.0


def test_of_equal_ones_the_first() -> None:
    ((best, second),) = best_guesses(np.array([[0.0, 1.0, 1.0]], np.float32), ("a", "b", "c"), 2)
    assert (best.label, second.label) == ("b", "c")
    assert (best.index, second.index) == (1, 2)
