import json
from pathlib import Path

import pytest

from ran_deploy.cli.output import emit, size_text, table


def test_either_json_or_lines(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": (1, Path("x"))}, "thing/v1", as_json=True, lines=["for people"])
    assert json.loads(capsys.readouterr().out) == {"schema": "ran-deploy.thing/v1", "a": [1, "x"]}
    emit({"a": 1}, "thing/v1", as_json=False, lines=["for", "people"])
    assert capsys.readouterr().out == "for\npeople\n"


def test_not_a_number_never_reaches_json() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        emit({"a": float("nan")}, "thing/v1", as_json=True, lines=[])


def test_numbers_stand_to_the_right() -> None:
    assert table(("name", "count", "kind"), [("a", "10", "x"), ("long", "–", "yy")]) == [
        "name  count  kind",
        "a        10  x",
        "long      –  yy",
    ]


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 812, 99_999, 100_000, 7_610_053)] == [
        "0 bytes",
        "812 bytes",
        "99,999 bytes",
        "0.1 MB",
        "7.6 MB",
    ]
