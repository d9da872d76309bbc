from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import GateError, UsageError
from ran_deploy.runtime.batching import check_positive, run_images
from ran_deploy.runtime.open import open_engine


def _images(count: int) -> Any:
    return np.random.default_rng(3).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_fixed_batch_is_filled_up(make_means: Any, count: int) -> None:
    images = _images(count)
    with open_engine(make_means(batch=3)) as session:
        logits = run_images(session, images)
    assert np.allclose(logits, images.mean(axis=(1, 2)), atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-3)])
def test_float_input_is_normalized(make_means: Any, dtype: str, tolerance: float) -> None:
    images = _images(2)
    with open_engine(make_means(dtype=dtype)) as session:
        logits = run_images(session, images)
    assert np.allclose(logits, images.mean(axis=(1, 2)) / 255, atol=tolerance)


def test_logits_that_are_not_finite(make_means: Any) -> None:
    images = _images(3)
    images[1] = 0  # 0 × inf is NaN, and the other images give inf
    with open_engine(make_means(weights=np.full((3, 3), np.inf))) as session, pytest.raises(GateError) as caught:
        run_images(session, images)
    assert "logits that are not finite for 3 of 3 images" in caught.value.message
    assert caught.value.exit_code == 3


def test_counts_are_positive() -> None:
    check_positive("--top", 1)
    check_positive("--top", None)
    with pytest.raises(UsageError, match="--top is 0; expected at least 1"):
        check_positive("--top", 0)
