"""Tensors from JSON values and raw bytes."""

from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract, Preprocessing, TensorSpec
from ran_deploy.serving.http_infer import render
from ran_deploy.serving.protocol import Call, Wanted, answer
from ran_deploy.serving.tensors import check_shape, from_list, from_raw, from_values, to_text_bytes

BYTES = TensorSpec(name="images", dtype="uint8", shape=(-1, 2), layout="NC")
HALVES = TensorSpec(name="images", dtype="float16", shape=(-1, 2), layout="NC")
FLOATS = TensorSpec(name="images", dtype="float32", shape=(-1, 2), layout="NC")


def test_raw_bytes_are_little_endian_and_not_copied() -> None:
    values = np.array([[1.5, -2.0]], "<f2")
    raw = values.tobytes()
    found = from_raw(raw, HALVES, (1, 2))
    assert found.tolist() == [[1.5, -2.0]]
    assert not found.flags.writeable
    with pytest.raises(UsageError, match="needs 8"):
        from_raw(raw, FLOATS, (1, 2))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
@pytest.mark.parametrize("spec", [BYTES, HALVES, FLOATS])
def test_flat_and_nested_lists(data: list[Any], spec: TensorSpec) -> None:
    found = from_list(data, spec, (2, 2))
    assert found.tolist() == [[1, 2], [3, 4]]
    assert found.dtype == spec.dtype


@pytest.mark.parametrize(
    ("spec", "values", "says"),
    [
        (BYTES, [1, 256], "range of UINT8"),
        (BYTES, [1, -1], "range of UINT8"),
        (BYTES, [1, 10**30], "range of UINT8"),
        (BYTES, [1, 2.0], "float"),
        (BYTES, [1, True], "bool"),
        (HALVES, [1, 1e6], "range of FP16"),
        (FLOATS, [1, 1e300], "range of FP32"),
        (FLOATS, [1, 10**400], "range of FP32"),
        (FLOATS, [1, "2"], "str"),
        (FLOATS, [1, None], "NoneType"),
        (FLOATS, [True, False], "bool"),
    ],
)
def test_values_that_do_not_fit(spec: TensorSpec, values: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        from_values(values, spec, (1, 2))


def test_infinities_that_were_sent_are_kept() -> None:
    assert from_values([float("inf"), -1.0], HALVES, (1, 2)).tolist() == [[float("inf"), -1.0]]


@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1, 2], 3, 4], 7, None, {}, "1234", [[], []]])
def test_lists_that_are_no_tensor(data: Any) -> None:
    with pytest.raises(UsageError):
        from_list(data, BYTES, (2, 2))


@pytest.mark.parametrize("shape", [None, 3, "33", [1.0], [True], [-1], [1] * 9, [None], {"a": 1}, [0, 2**62], [2**41]])
def test_shapes_that_are_none(shape: Any) -> None:
    with pytest.raises(UsageError, match="shape"):
        check_shape(shape, "images")


def test_texts_stand_after_their_length() -> None:
    assert to_text_bytes([b"a", b"", b"bc"]) == b"\x01\0\0\0a" + b"\0\0\0\0" + b"\x02\0\0\0bc"


def test_json_refuses_what_it_cannot_hold() -> None:
    spec = TensorSpec(name="logits", dtype="float32", shape=(-1, 2), layout="NC")
    rule = Preprocessing(resize=None, size=1, mean=(0, 0, 0), std=(1, 1, 1))
    contract = Contract(input=FLOATS, output=spec, preprocessing=rule, labels=("a", "b"))
    logits = np.array([[np.nan, 1]], np.float32)
    for binary in (True, False):
        call = Call(images=logits, wanted=(Wanted(name="logits", binary=binary),))
        outputs = answer(logits, call, contract)
        if binary:
            assert render("m", "1", call, outputs)[0].endswith(logits.tobytes())
        else:
            with pytest.raises(UsageError, match="not finite"):
                render("m", "1", call, outputs)
