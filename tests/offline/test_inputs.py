"""Files, folders, lists and shards in one order, from any place in it."""

import itertools
import os
import tracemalloc
from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.offline.inputs import Inputs
from tests.offline.conftest import MakeFolder, picture
from tests.offline.test_tar_shard import member, png, write_tar


@pytest.fixture
def mixed(tmp_path: Path, make_folder: MakeFolder) -> Inputs:
    """A folder of 3, a tar of 4, a list of the folder's first image, the tar and a file that is gone, and an image."""
    folder = make_folder(3)
    tar = write_tar(tmp_path / "s.tar", *((member(f"{n}.png"), png(n)) for n in range(4)))
    (tmp_path / "list.txt").write_text(f"{folder}/000.png\n\n{tar}\r\n{tmp_path}/gone.png\n")
    picture(9).save(tmp_path / "nine.img", "png")
    return Inputs([folder, tar, f"@{tmp_path}/list.txt", tmp_path / "nine.img"])


def names(inputs: Inputs, start: int = 0) -> list[str]:
    return [Path(item.member or item.file).name for item in inputs.items(start)]


def test_all_kinds_in_the_order_given(mixed: Inputs) -> None:
    numbers = ["0.png", "1.png", "2.png", "3.png"]
    expected = ["000.png", "001.png", "002.png", *numbers, "000.png", *numbers, "gone.png", "nine.img"]
    assert names(mixed) == expected
    assert mixed.survey(count=True).images == len(expected)
    assert mixed.survey().images is None  # tar files are not read through for it


@pytest.mark.parametrize("start", range(16))
def test_begins_anywhere(mixed: Inputs, start: int) -> None:
    assert list(mixed.items(start)) == list(mixed.items())[start:]


def test_begins_anywhere_among_parquet_files(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    paths = []
    for place, rows in enumerate((3, 0, 4)):
        paths.append(tmp_path / f"{place}.parquet")
        pq.write_table(pa.table({"image": pa.array([png(n) for n in range(rows)], pa.binary())}), paths[-1])
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    (tmp_path / "list").write_text(f"{tmp_path}/damaged.parquet\n{paths[0]}\n")
    inputs = Inputs([*paths, f"@{tmp_path}/list"])
    everything = list(inputs.items())
    assert len(everything) == inputs.survey().images == 3 + 0 + 4 + 1 + 3
    for start in range(len(everything) + 2):
        assert [item.name for item in inputs.items(start)] == [item.name for item in everything[start:]]


def test_the_digest_tells_every_change(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(3)
    inputs = Inputs([folder])
    seen = {inputs.survey().digest}

    def changed() -> bool:
        before = len(seen)
        seen.add(inputs.survey().digest)
        return len(seen) > before

    assert not changed()
    os.utime(folder / "001.png", ns=(0, 0))
    assert changed()
    (folder / "001.png").write_bytes((folder / "001.png").read_bytes() + b"x")
    os.utime(folder / "001.png", ns=(0, 0))
    assert changed()
    (folder / "001.png").rename(folder / "0011.png")
    assert changed()
    picture(1).save(folder / "7.png")
    assert changed()
    (folder / "notes.txt").write_text("not an image")
    assert not changed()


def test_the_digest_tells_a_change_of_a_file_that_a_parquet_file_names(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    picture(0).save(tmp_path / "a.png")
    pq.write_table(pa.table({"path": ["a.png"]}), tmp_path / "s.parquet")
    inputs = Inputs([tmp_path / "s.parquet"])
    before = inputs.survey().digest
    os.utime(tmp_path / "a.png", ns=(0, 0))
    assert inputs.survey().digest != before


def test_what_was_typed_wrong_is_said_at_once(tmp_path: Path, make_folder: MakeFolder) -> None:
    with pytest.raises(UsageError, match=r"The image .*gone\.png does not exist"):
        Inputs([make_folder(1), tmp_path / "gone.png"]).survey()
    with pytest.raises(UsageError, match=r"gone\.tar does not exist"):
        Inputs([tmp_path / "gone.tar"]).survey()
    with pytest.raises(UsageError, match=r"list .*gone\.txt does not exist"):
        Inputs([f"@{tmp_path}/gone.txt"]).survey()
    (tmp_path / "bad.tar").write_text("no tar")
    with pytest.raises(IntegrityError, match="not a tar file"):
        Inputs([tmp_path / "bad.tar"]).survey()
    with pytest.raises(UsageError, match="is compressed"):
        Inputs([tmp_path / "s.tar.gz"]).survey()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"No image was found in .*empty"):
        Inputs([tmp_path / "empty"]).survey()
    with pytest.raises(UsageError, match="No image was given"):
        Inputs([])
    (tmp_path / "binary").write_bytes(bytes(100))
    with pytest.raises(IntegrityError, match="not a list of paths"):
        Inputs([f"@{tmp_path}/binary"]).survey()


def test_what_a_list_has_wrong_is_an_item(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_text("no tar")
    (tmp_path / "list").write_text(f"{tmp_path}/gone.png\n{tmp_path}/bad.tar\n{'x' * 5000}.png\n")
    inputs = Inputs([f"@{tmp_path}/list"])
    assert inputs.survey(count=True).images == len(list(inputs.items())) == 3


def test_the_output_is_not_an_input(tmp_path: Path, make_folder: MakeFolder) -> None:
    out = tmp_path / "images" / ".." / "p.jsonl"
    with pytest.raises(UsageError, match="would be replaced"):
        Inputs([make_folder(1), tmp_path / "p.jsonl"]).survey(apart_from=out)
    (tmp_path / "p.jsonl").write_text(f"{tmp_path}/images/0.png")
    with pytest.raises(UsageError, match="would be replaced"):
        Inputs([f"@{tmp_path}/p.jsonl"]).survey(apart_from=out)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(png(0))
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    (item,) = Inputs([folder]).items()
    assert item.file == f"{folder}/\\xff.png"
    assert isinstance(item.content, Path)
    assert item.content.exists()


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        for place in range(100):
            (tmp_path / str(number) / f"{place}.png").touch()
    inputs = Inputs([tmp_path])
    tracemalloc.start()
    try:
        assert inputs.survey().images == 2000
        assert sum(1 for _ in itertools.islice(inputs.items(500), 2000)) == 1500
        assert tracemalloc.get_traced_memory()[1] < 100_000  # 2,000 paths are more than that
    finally:
        tracemalloc.stop()
