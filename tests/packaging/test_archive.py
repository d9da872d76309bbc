"""An archive has always the same bytes, opens like the engine in it, and is read by any unzip program."""

import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.config import to_mapping
from ran_deploy.engine.inspect import inspect_file
from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import manifest_path
from ran_deploy.packaging.archive import ALIGNMENT
from ran_deploy.packaging.package import package
from ran_deploy.runtime.archive import HEADER, read_header
from ran_deploy.runtime.open import open_engine
from tests.packaging.engines import contract, onnx_engine, plan_engine
from tests.with_openvino import require_openvino


@pytest.fixture(scope="module")
def archive(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive") / "small.ran"
    package([engine], out, format="archive")
    return out


def walk(content: bytes) -> dict[str, tuple[int, bytes]]:
    """Read an archive as ``docs/archive.md`` says, without a central directory: each entry's offset and content."""
    found = {}
    at = 0
    while content[at : at + 4] == b"PK\x03\x04":
        flags, method = struct.unpack_from("<HH", content, at + 6)
        packed, size, name_bytes, extra_bytes = struct.unpack_from("<IIHH", content, at + 18)
        assert (flags, method, packed) == (0, 0, size)
        name = content[at + 30 : at + 30 + name_bytes].decode()
        at += 30 + name_bytes + extra_bytes
        found[name] = (at, content[at : at + size])
        at += size
    assert content[at : at + 4] == b"PK\x01\x02"
    return found


def test_the_documented_layout(archive: Path, engine: Path) -> None:
    entries = walk(archive.read_bytes())
    assert list(entries) == [HEADER, "small.onnx.manifest.json", "labels.txt", "preprocessing.json", "small.onnx"]
    offset, content = entries["small.onnx"]
    assert content == engine.read_bytes()
    assert offset % ALIGNMENT == 0
    assert entries["small.onnx.manifest.json"][1] == manifest_path(engine).read_bytes()
    assert tuple(entries["labels.txt"][1].decode().splitlines()) == contract().labels
    header = read_header(archive)
    assert header.engine == "small.onnx"
    assert [file.name for file in header.files] == list(entries)[1:]
    with zipfile.ZipFile(archive) as other:
        assert other.testzip() is None
        assert {entry.filename: entry.file_size for entry in other.infolist()} == {
            name: len(content) for name, (_, content) in entries.items()
        }


@pytest.mark.parametrize("name", ["a.onnx", "ab.onnx", "a-much-longer-name_of-an.engine.onnx"])
def test_the_engine_is_aligned_whatever_its_name(name: str, tmp_path: Path) -> None:
    package([onnx_engine(tmp_path / name)], tmp_path / "x.ran", format="archive")
    offset, _ = walk((tmp_path / "x.ran").read_bytes())[name]
    assert offset % ALIGNMENT == 0


def test_the_same_engine_gives_the_same_bytes(archive: Path, engine: Path, tmp_path: Path) -> None:
    package([engine], tmp_path / "again.ran", format="archive")
    assert (tmp_path / "again.ran").read_bytes() == archive.read_bytes()


def test_it_opens_like_its_engine(archive: Path, engine: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    with open_engine(engine, threads=1) as expected, open_engine(archive, threads=1) as session:
        np.testing.assert_array_equal(session.run(images), expected.run(images))
        assert session.contract == expected.contract
        assert session.manifest == expected.manifest
        assert session.info.engine == str(archive)
        assert session.info.sha256 == sha256_file(engine)


def test_it_opens_in_another_runtime(archive: Path) -> None:
    require_openvino()
    images = np.zeros((1, 32, 32, 3), np.uint8)
    with open_engine(archive, runtime="openvino", threads=1) as session:
        assert session.run(images).shape == (1, 10)
        assert session.info.runtime == "openvino"


def test_several_threads_open_one_archive_at_once(archive: Path) -> None:
    images = np.full((2, 32, 32, 3), 7, np.uint8)
    together = threading.Barrier(4)
    answers = []

    def open_and_run() -> None:
        together.wait()
        with open_engine(archive, threads=1) as session:
            answers.append(session.run(images))

    threads = [threading.Thread(target=open_and_run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


def test_a_plan_in_an_archive_is_refused_by_the_archives_name(tmp_path: Path) -> None:
    plan = plan_engine(tmp_path / "a.plan", flavour="tensorrt-rtx")
    package([plan], tmp_path / "a.ran", format="archive")
    with pytest.raises((MissingError, IncompatibleError)) as caught:
        open_engine(tmp_path / "a.ran")
    said = f"{caught.value} {caught.value.message} {caught.value.fix}"
    assert "ran-deploy-" not in said, "the folder for the moment is of no use to anybody"
    with pytest.raises(UsageError, match=r"a\.ran is a TensorRT plan"):
        open_engine(tmp_path / "a.ran", "cpu")


def test_what_inspect_says(archive: Path, engine: Path) -> None:
    report = inspect_file(archive)
    inside = inspect_file(engine)
    assert (report.path, report.kind, report.sha256) == (archive, "onnx", inside.sha256)
    assert report.matches_manifest is True
    assert report.onnx == inside.onnx
    assert report.archive is not None
    assert report.archive.sha256 == sha256_file(archive)
    assert [file.name for file in report.archive.header.files][-1] == "small.onnx"
    assert to_mapping(report)["archive"]["size_bytes"] == archive.stat().st_size


def test_targets(archive: Path, engine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"its name must end in \.ran"):
        package([engine], tmp_path / "a.zip", format="archive")
    with pytest.raises(UsageError, match="is there already"):
        package([engine], archive, format="archive")
    package([engine], archive, format="archive", force=True)
    (tmp_path / "thesis.ran").write_bytes(b"years of work")
    with pytest.raises(UsageError, match="is not an archive"):
        package([engine], tmp_path / "thesis.ran", format="archive", force=True)
    assert (tmp_path / "thesis.ran").read_bytes() == b"years of work"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        package([engine], tmp_path / "file" / "a.ran", format="archive")
