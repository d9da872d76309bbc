from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ran_deploy.config import from_mapping, read_toml, to_mapping
from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    rate: float = 0.5
    mode: Literal["a", "b"] = "a"
    pair: tuple[int, str] = (1, "x")
    many: tuple[Inner, ...] = ()
    maybe: int | None = None
    inner: Inner | None = None
    table: dict[str, int] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)


def test_round_trip() -> None:
    value = Outer(
        name="n",
        rate=2.0,
        pair=(3, "y"),
        many=(Inner(size=2),),
        maybe=4,
        inner=Inner(),
        table={"k": 1},
        free={"z": [1]},
    )
    assert from_mapping(Outer, to_mapping(value), where="x") == value


def test_whole_numbers_serve_as_numbers() -> None:
    assert from_mapping(Outer, {"name": "n", "rate": 3}, where="x").rate == 3.0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a list where a table"),
        ({}, "lacks the key 'name'"),
        ({"name": 1}, "x: name is 1; expected text"),
        ({"name": "n", "rate": "fast"}, "expected a number"),
        ({"name": "n", "rate": True}, "expected a number"),
        ({"name": "n", "mode": "c"}, "expected one of 'a', 'b'"),
        ({"name": "n", "pair": [1]}, "has 1 items; expected 2"),
        ({"name": "n", "pair": 5}, "expected a list"),
        ({"name": "n", "pair": [1, 2]}, r"pair\[1\] is 2; expected text"),
        ({"name": "n", "many": [{"siez": 1}]}, r"many\[0\]: 'siez' is not a known key"),
        ({"name": "n", "maybe": "4"}, "expected a whole number"),
        ({"name": "n", "table": {"k": "v"}}, r"table\.k is 'v'"),
        ({"name": "n", "table": 3}, "expected a table"),
    ],
)
def test_what_is_refused(document: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_mapping(Outer, document, where="x")


def test_the_nearest_name_is_proposed() -> None:
    with pytest.raises(UsageError) as caught:
        from_mapping(Outer, {"nmae": "n"}, where="x")
    assert "'name'" in caught.value.fix


def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('name = "n"')
    assert read_toml(Outer, path).name == "n"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not valid TOML"):
        read_toml(Outer, path)
