"""What a converted model is tried on, and by how much it may differ from its parent."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import GateError
from ran_deploy.quant.int8_gate import check_int8
from ran_deploy.quant.trial import TrialImages, logits_of, probe_batches, trial_probes

INFO = dataset_info("cifar10")
CONTRACT = make_contract(INFO, INFO.labels)
IMAGES = generated_images(20, 32)


def by_eight() -> Iterator[npt.NDArray[Any]]:
    return iter([IMAGES[:8], IMAGES[8:16], IMAGES[16:]])


TRIAL = TrialImages(source="images", count=11, batches=by_eight)


def changed(model: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """The model with a classifier that is ``factor`` times as strong."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for tensor in other.graph.initializer:
        if tensor.name.startswith("fc_"):
            tensor.CopyFrom(numpy_helper.from_array(np.float32(factor) * numpy_helper.to_array(tensor), tensor.name))
    return other


def test_large_images_are_fewer_and_come_one_by_one() -> None:
    large = make_contract(replace(INFO, size=224, resize=256), INFO.labels)
    sizes = [[len(batch) for batch in probe_batches(trial_probes(contract, None))] for contract in (CONTRACT, large)]
    assert sizes == [[8] * 8, [1] * 16]


def test_the_batches_make_no_difference(model: onnx.ModelProto) -> None:
    np.testing.assert_allclose(logits_of(model, CONTRACT, by_eight()), logits_of(model, CONTRACT, [IMAGES]), rtol=1e-5)


def test_no_more_images_are_compared_than_asked_for(model: onnx.ModelProto) -> None:
    metrics = check_int8(model, model, CONTRACT, TRIAL, halves=False, trained=True)
    assert (metrics.images, metrics.flips) == (11, 0)


def test_other_answers_are_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(GateError, match=r"answers 0\.0% of 11 given images"):
        check_int8(model, changed(model, -1), CONTRACT, TRIAL, halves=False, trained=True)


def test_the_same_classes_by_other_logits_are_refused(model: onnx.ModelProto) -> None:
    """Half the logits name the same classes, at an SQNR of 6 dB."""
    with pytest.raises(GateError, match=r"answers 100\.0% .* SQNR of 6\.0 dB"):
        check_int8(model, changed(model, 0.5), CONTRACT, TRIAL, halves=False, trained=True)


def test_random_weights_only_have_to_be_finite(model: onnx.ModelProto) -> None:
    assert check_int8(model, changed(model, -1), CONTRACT, TRIAL, halves=False, trained=False).flips == 11
    with pytest.raises(GateError, match="11 of them with infinity or NaN"):
        check_int8(model, changed(model, np.inf), CONTRACT, TRIAL, halves=False, trained=False)
