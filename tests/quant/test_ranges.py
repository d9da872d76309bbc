"""Activations observed: what decides which nodes can be float16."""

import numpy as np
import onnx
import pytest

from ran_deploy.data.probes import generated_images
from ran_deploy.quant.fp16 import HALF_MAX
from ran_deploy.quant.prepare import prepare
from ran_deploy.quant.ranges import RANGE_MARGIN, observe_ranges, out_of_range


def test_maxima_are_those_of_the_values(model: onnx.ModelProto) -> None:
    images = generated_images(12, 32)
    seen: list[int] = []
    ranges = observe_ranges(prepare(model), [images[:8], images[8:]], advance=seen.append)
    assert seen == [8, 4]
    assert ranges["float"] == images.max()
    assert ranges["scaled"] == pytest.approx(images.max() / 64)
    assert ranges["soft"] <= 1


def test_the_maximum_is_over_all_batches(model: onnx.ModelProto) -> None:
    bright, dark = np.full((1, 32, 32, 3), 200, np.uint8), np.full((1, 32, 32, 3), 10, np.uint8)
    assert observe_ranges(prepare(model), [bright, dark])["float"] == 200


def test_infinite_activations_count_as_infinite(model: onnx.ModelProto) -> None:
    prepared = prepare(model)
    for tensor in prepared.graph.initializer:
        if tensor.name == "stem_w":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((8, 3, 3, 3), 3e38, np.float32), "stem_w"))
    assert observe_ranges(prepared, [generated_images(8, 32)])["stem"] == np.inf


def test_readers_and_writers_of_large_values_are_named(hot: onnx.ModelProto) -> None:
    prepared = prepare(hot)
    found = out_of_range(prepared, observe_ranges(prepared, [generated_images(8, 32)]))
    assert set(found) == {"stem", "bn"}
    assert found["stem"] > HALF_MAX


def test_a_margin_is_kept(model: onnx.ModelProto) -> None:
    close = {"relu": HALF_MAX / RANGE_MARGIN * 1.01}
    assert "fuse" in out_of_range(model, close)
    assert not out_of_range(model, close, margin=RANGE_MARGIN / 2)
