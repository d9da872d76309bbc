"""Random rectangles: always inside, of the area and the ratio asked for, the same for one image as for a batch."""

import math

import numpy as np
import pytest

from ran_deploy.data.crops import Crops, draw_crops

AREA, ASPECT = (0.08, 1.0), 4 / 3


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (64, 64), (2000, 10), (3, 800), (1, 1)])
def test_rectangles_lie_in_the_image(width: int, height: int) -> None:
    boxes = draw_crops(np.random.default_rng(0), 1000, AREA, ASPECT).boxes(width, height)
    left, top, wide, high = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (left + wide <= width * (1 + 1e-12)).all()
    assert (top + high <= height * (1 + 1e-12)).all()
    ratio = wide / high
    assert ratio.max() <= ASPECT * (1 + 1e-12)
    assert ratio.min() >= 1 / ASPECT * (1 - 1e-12)


def test_area_and_ratio_are_those_asked_for() -> None:
    boxes = draw_crops(np.random.default_rng(1), 4000, (0.2, 0.6), 2.0).boxes(400, 400)
    area = boxes[:, 2] * boxes[:, 3] / 400**2
    assert 0.2 <= area.min() < 0.21
    assert 0.55 < area.max() <= 0.6
    logarithm = np.log(boxes[:, 2] / boxes[:, 3])
    assert abs(logarithm.mean()) < 0.03  # neither wide nor tall ones are preferred: three standard errors
    assert logarithm.max() > 0.9 * math.log(2)


def test_the_whole_image_and_nothing_else() -> None:
    boxes = draw_crops(np.random.default_rng(2), 5, (1.0, 1.0), 1.0).boxes(32, 32)
    assert np.allclose(boxes, [0, 0, 32, 32])


def test_the_first_try_that_fits_counts() -> None:
    tries = np.array([[[1.0, 4.0], [0.25, 1.0], [0.5, 1.0]], [[1.0, 4.0], [1.0, 3.0], [1.0, 2.0]]])
    boxes = Crops(tries, np.array([[0.0, 1.0], [0.5, 0.5]])).boxes(100, 100)
    assert boxes[0].tolist() == [0, 50, 50, 50]
    # Nothing fits: the largest of the last ratio, 2 to 1.
    assert boxes[1].tolist() == [0, 25, 100, 50]


def test_one_image_has_the_rectangle_that_it_has_in_the_batch() -> None:
    crops = draw_crops(np.random.default_rng(3), 6, AREA, ASPECT)
    assert len(crops) == 6
    whole = crops.boxes(300, 200)
    assert all(np.array_equal(crops[place].boxes(300, 200)[0], whole[place]) for place in range(6))
    again = draw_crops(np.random.default_rng(3), 6, AREA, ASPECT)
    assert np.array_equal(again.boxes(300, 200), whole)
