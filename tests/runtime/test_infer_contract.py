import pytest

from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC
from ran_deploy.runtime.infer_contract import infer_contract
from ran_deploy.runtime.io_check import Port

IMAGES = Port("x", "uint8", (DYNAMIC, 8, 8, 3))
LOGITS = Port("y", "float16", (DYNAMIC, 5))


def test_reads_names_types_and_layout() -> None:
    contract = infer_contract("a.plan", [IMAGES], [LOGITS])
    assert (contract.input.name, contract.input.layout, contract.preprocessing.size) == ("x", "NHWC", 8)
    assert (contract.output.name, contract.output.dtype, contract.labels[-1]) == ("y", "float16", "4")


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([IMAGES, IMAGES], [LOGITS], "a.plan has 2 inputs and 1 outputs"),
        ([IMAGES], [], "a.plan has 1 inputs and 0 outputs"),
        ([IMAGES._replace(dtype="INT8")], [LOGITS], "a.plan takes INT8 [-1, 8, 8, 3]"),
        ([IMAGES], [LOGITS._replace(shape=(DYNAMIC, 1))], "a.plan returns float16 [-1, 1]"),
    ],
)
def test_what_is_no_classifier_of_images(inputs: list[Port], outputs: list[Port], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        infer_contract("a.plan", inputs, outputs)
    assert said in caught.value.message
