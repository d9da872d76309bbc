"""`.ran` archives in C++: opened as they are, and refused with Python's sentences."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import manifest_path
from ran_deploy.runtime.open import open_engine
from tests.serve_cpp.abi import INTEGRITY, Failed, Library
from tests.serve_cpp.building import Built
from tests.serve_cpp.conftest import SIZE


@pytest.fixture(autouse=True)
def parts(built: Built) -> None:
    built.require("onnxruntime")


def test_an_archive_gives_what_its_engine_gives(library: Library, engine: Path, archive: Path) -> None:
    plain, archived = library.open(engine), library.open(archive)
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    assert np.array_equal(library.run(archived, images), library.run(plain, images))
    info = library.info(archived)
    assert info.path.decode() == str(archive)
    assert info.sha256.decode() == sha256_file(engine), "the engine's own"


def _refused_alike(library: Library, path: Path) -> str:
    with pytest.raises(Failed) as caught:
        library.open(path)
    with pytest.raises(IntegrityError) as expected:
        open_engine(path)
    assert caught.value.status == INTEGRITY
    assert caught.value.message == expected.value.message
    return caught.value.message


def test_damage(library: Library, archive: Path, tmp_path: Path) -> None:
    content, path = archive.read_bytes(), tmp_path / "damaged.ran"

    def damaged(at: int, byte: int) -> str:
        path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
        return _refused_alike(library, path)

    assert "means.onnx changed" in damaged(content.index(b"PK\x01\x02") - 9, 0xEE)
    assert "labels.txt changed" in damaged(content.index(b"dark\n"), ord("D"))
    assert "compressed or encrypted" in damaged(8, 8)
    assert "not a whole archive" in damaged(0, 0)
    assert "not a whole archive" in damaged(len(content) - 1, 1)
    for share in (0.2, 0.7, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        _refused_alike(library, path)
    path.write_bytes(content + b"x")
    _refused_alike(library, path)


def test_an_archive_under_another_name(library: Library, archive: Path, engine: Path, tmp_path: Path) -> None:
    shutil.copy(engine, tmp_path / "engine.ran")
    assert "not a whole archive" in _refused_alike(library, tmp_path / "engine.ran")
    shutil.copy(archive, tmp_path / "archive.onnx")
    shutil.copy(manifest_path(engine), tmp_path / "archive.onnx.manifest.json")
    assert "is not the file that its manifest describes" in _refused_alike(library, tmp_path / "archive.onnx")
