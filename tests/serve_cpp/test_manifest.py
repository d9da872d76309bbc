"""The manifest as C++ reads it: strict where it matters, and never surprised."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.manifest import manifest_path
from tests.serve_cpp.abi import INTEGRITY, USAGE, Failed, Library
from tests.serve_cpp.building import Built
from tests.serve_cpp.conftest import MakeEngine
from tests.unsealed import unsealed


@pytest.fixture
def path(built: Built, make_engine: MakeEngine) -> Path:
    built.require("onnxruntime")
    return make_engine()


def _refused(library: Library, path: Path, text: str | bytes) -> str:
    manifest_path(path).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(Failed) as caught:
        library.open(path)
    assert caught.value.status == INTEGRITY, caught.value.message
    assert caught.value.message.startswith(str(path))
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "line 1, column 2"),
        (b"[1, 2]", "is not a table"),
        (b'{"schema": "ran-deploy.manifest/v2"}', "expected one of 'ran-deploy.manifest/v1'"),
        (b'{"schema": 1}', "schema is not text"),
        (b"{}", "lacks the key 'schema'"),
        (b'{"a": 1, "a": 2}', "a key is there twice"),
        (b'{"a": 01}', "expected a value"),
        (b'{"a": NaN}', "expected a value"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": "\\ud800"}', "no character"),
        (b'{"a": "\\u0000"}', "no character"),
        (b'{"a": "\xff"}', "invalid UTF-8"),
        (b'{"a": "\xc0\x80"}', "invalid UTF-8"),
        (b'{"a": "line\nbreak"}', "line 1, column 12"),
        (b"\xef\xbb\xbf{}", "expected a value"),
        (b"{}{}", "something follows"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"\n\n  nul", "line 3, column 3"),
    ],
)
def test_what_is_no_manifest(library: Library, path: Path, text: bytes, said: str) -> None:
    assert said in _refused(library, path, text)


def _changes() -> list[tuple[tuple[str, ...], Any]]:
    rule, take = ("contract", "preprocessing"), ("contract", "input")
    return [
        (("contract",), None),
        (("kind",), "engine"),
        (("sha256",), 5),
        (("contract", "labels"), "abc"),
        (("contract", "labels"), [1, 2, 3, 4, 5]),
        (("contract", "more"), 1),
        ((*rule, "size"), 0),
        ((*rule, "size"), -1),
        ((*rule, "size"), 24.0),
        ((*rule, "size"), 25),
        ((*rule, "size"), 10**30),
        ((*rule, "size"), 100_000),
        ((*rule, "size"), True),
        ((*rule, "resize"), 2**40),
        ((*rule, "interpolation"), "nearest"),
        ((*rule, "antialias"), False),
        ((*rule, "mean"), [0.5, 0.5]),
        ((*rule, "std"), [0.5, 0, 0.5]),
        ((*rule, "std"), [0.5, 1e-60, 0.5]),
        ((*take, "dtype"), "float16"),
        ((*take, "layout"), "NCHW"),
        ((*take, "shape"), [-1, 24, 24]),
        ((*take, "shape"), [0, 24, 24, 3]),
        ((*take, "shape"), [-1, -1, 24, 3]),
        ((*take, "shape"), [2**62, 24, 24, 3]),
        (("contract", "output", "shape"), [-1]),
        (("contract", "output", "dtype"), "uint8"),
        (("contract", "masks"), {}),
    ]


@pytest.mark.parametrize(("place", "value"), _changes())
def test_a_contract_that_cannot_be_kept(library: Library, path: Path, place: tuple[str, ...], value: Any) -> None:
    manifest = unsealed(path)
    changed = copy.deepcopy(manifest)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    _refused(library, path, json.dumps(changed))


def test_keys_that_are_not_needed_may_be_new(library: Library, path: Path) -> None:
    manifest = unsealed(path) | {"new": [{"deep": [None, 1e5, "\u00fc\U0001f600\t"]}]}
    manifest_path(path).write_text(json.dumps(manifest, ensure_ascii=True))
    library.call("engine_close", library.open(path))
    manifest_path(path).write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    library.call("engine_close", library.open(path))


def test_a_manifest_that_is_a_folder(library: Library, path: Path) -> None:
    manifest_path(path).unlink()
    manifest_path(path).mkdir()
    with pytest.raises(Failed, match="is a folder; the manifest must be a file") as caught:
        library.open(path)
    assert caught.value.status == USAGE
