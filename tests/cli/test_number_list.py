from typing import Any

import pytest

from ran_deploy.cli.app import run
from ran_deploy.cli.number_list import number_list
from ran_deploy.errors import UsageError


def test_numbers_keep_their_order_and_kind() -> None:
    assert number_list("--batch", "64, 1,8", int, "1,8") == (64, 1, 8)
    assert number_list("--percentile", "99,99.9", float, "90,99") == (99.0, 99.9)


@pytest.mark.parametrize("text", ["", "1,", "1;2", "1,x", "1.5"])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        number_list("--batch", text, int, "1,64")
    assert caught.value.message == (f"--batch is {text!r}; expected whole numbers separated by commas, as in 1,64.")


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "--engine", "a.onnx", "--batch", "1,x"),
        ("compare", "a.onnx", "b.onnx", "--batch", "1,x"),
        ("package", "--engine", "a.onnx", "--format", "triton", "--out", "o", "--preferred-batch", "1,x"),
        ("deploy", "--arch", "att92", "--out", "o", "--batches", "1,x"),
    ],
)
def test_every_verb_says_it_alike(command: tuple[str, ...], capsys: Any) -> None:
    assert run(list(command)) == 2
    assert "is '1,x'; expected whole numbers separated by commas, as in " in capsys.readouterr().err
