import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.json_files import json_digest, parse_json, read_json, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    name: str
    pair: tuple[int, float] = (1, 0.5)
    table: dict[str, int] = field(default_factory=dict)


VALUE = Record(name="ü", table={"b": 2, "a": 1})


@pytest.mark.parametrize(("indent", "lines"), [(2, 11), (1, 11), (None, 1)])
def test_what_is_written_is_read_again(tmp_path: Path, indent: int | None, lines: int) -> None:
    path = tmp_path / "f.json"
    write_json(path, VALUE, indent=indent)
    assert read_json(Record, path) == VALUE
    assert path.read_text().count("\n") == lines


def test_a_number_that_json_does_not_have_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    write_json(path, VALUE)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, Record(name="n", pair=(1, math.nan)))
    assert read_json(Record, path) == VALUE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b'name = "n"', b'{"name": "\xff"}', b"[" * 100_000])
def test_what_is_no_json(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="it is not valid JSON"):
        parse_json(Record, content, where="it")


def test_json_of_something_else_is_damage() -> None:
    with pytest.raises(IntegrityError, match="it: name is 1; expected text"):
        parse_json(Record, b'{"name": 1}', where="it")


def test_the_digest_is_of_the_content() -> None:
    digest = json_digest(VALUE)
    assert digest == json_digest({"table": {"a": 1, "b": 2}, "pair": [1, 0.5], "name": "ü"})
    assert digest != json_digest(Record(name="u", table={"b": 2, "a": 1}))
    assert json_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of "{}"
