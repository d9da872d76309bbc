from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.manifest import DYNAMIC, TensorSpec
from ran_deploy.runtime.io_check import Port, check_ports

SPEC = TensorSpec(name="images", dtype="uint8", shape=(DYNAMIC, 4, 4, 3), layout="NHWC")
SAME = Port("images", "uint8", (DYNAMIC, 4, 4, 3))


def test_the_same_passes() -> None:
    check_ports("input", Path("a.onnx"), [SPEC], [SAME])


@pytest.mark.parametrize(
    "found",
    [
        [],
        [SAME, SAME],
        [SAME._replace(name="x")],
        [SAME._replace(dtype="float32")],
        [SAME._replace(shape=(1, 4, 4, 3))],
        [SAME._replace(shape=(DYNAMIC, 4, 4))],
    ],
    ids=["none", "two", "name", "type", "fixed batch", "rank"],
)
def test_whatever_differs_is_refused_with_both_sides(found: list[Port]) -> None:
    with pytest.raises(IntegrityError, match=r"its contract says 'images' uint8 \[N × 4 × 4 × 3\]"):
        check_ports("input", Path("a.onnx"), [SPEC], found)
