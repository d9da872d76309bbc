"""The range cache answers for exactly what it was asked to keep, and for nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.files import cache_folder
from ran_deploy.quant.calibrate import Ranges
from ran_deploy.quant.range_cache import read_ranges, write_ranges

KEY: dict[str, Any] = {
    "onnx": "a" * 64,
    "images": "b" * 64,
    "method": {"method": "percentile", "percentile": 99.999},
    "activations": ("x", "y"),
    "versions": {"ran-deploy": "1", "onnxruntime": "1.31"},
}
RANGES = Ranges(maxima={"x": 2.0, "y": 3.5, "z": 0.0}, amax={"x": 1.75, "y": 3.5})


def only_file(folder: Path) -> Path:
    (file,) = (folder / "ranges").iterdir()
    return file


def test_what_was_written_is_read(own_cache: Path) -> None:
    assert read_ranges(KEY) is None
    write_ranges(KEY, RANGES)
    assert read_ranges(KEY) == RANGES
    assert only_file(own_cache).suffix == ".json"


@pytest.mark.parametrize(
    "change",
    [
        {"onnx": "c" * 64},
        {"images": "c" * 64},
        {"method": {"method": "percentile", "percentile": 99.9}},
        {"method": {"method": "minmax"}},
        {"activations": ("x", "z")},
        {"versions": {"ran-deploy": "1", "onnxruntime": "1.32"}},
        {"versions": {"ran-deploy": "2", "onnxruntime": "1.31"}},
    ],
)
def test_another_model_set_method_or_version_is_not_answered(change: dict[str, Any]) -> None:
    write_ranges(KEY, RANGES)
    assert read_ranges({**KEY, **change}) is None


def test_a_file_under_another_entrys_name_is_not_believed(own_cache: Path) -> None:
    write_ranges(KEY, RANGES)
    mine = only_file(own_cache)
    other = {**KEY, "onnx": "c" * 64}
    write_ranges(other, RANGES)
    (theirs,) = set((own_cache / "ranges").iterdir()) - {mine}
    theirs.write_bytes(mine.read_bytes())
    assert read_ranges(other) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace("1.75", '"1.75"'),
        lambda text: text.replace("1.75", "-1.75"),
        lambda text: text.replace("1.75", "NaN"),
        lambda text: text.replace('"amax": {"x": 1.75, ', '"amax": {'),
        lambda text: text.replace("ranges/v1", "ranges/v0"),
    ],
)
def test_a_damaged_entry_is_ignored_and_rewritten(own_cache: Path, damage: Any) -> None:
    write_ranges(KEY, RANGES)
    file = only_file(own_cache)
    changed = damage(file.read_text())
    assert changed != file.read_text()
    file.write_text(changed)
    assert read_ranges(KEY) is None
    write_ranges(KEY, RANGES)
    assert read_ranges(KEY) == RANGES


def test_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAN_DEPLOY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder("ranges") == Path("/xdg/ran-deploy/ranges")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder("ranges") == Path("/home/me/.cache/ran-deploy/ranges")


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(tmp_path / "file"))
    write_ranges(KEY, RANGES)
    assert read_ranges(KEY) is None


def test_the_entry_is_plain_json_with_its_key(own_cache: Path) -> None:
    write_ranges(KEY, RANGES)
    document = json.loads(only_file(own_cache).read_text())
    assert document["key"]["onnx"] == "a" * 64
    assert document["amax"] == {"x": 1.75, "y": 3.5}
