"""Tar files as WebDataset writes them, and as attackers and full disks do."""

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError, RanDeployError
from ran_deploy.manifest import Preprocessing
from ran_deploy.offline import item as item_module
from ran_deploy.offline.item import Item, load
from ran_deploy.offline.tar_shard import check_tar, tar_items
from tests.offline.conftest import SIZE, picture

RULE = Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, "png")
    return stream.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def problem(item: Item) -> str:
    with pytest.raises(RanDeployError) as caught:
        load(item, RULE)
    return caught.value.message


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_in_the_order_of_the_shard_and_nothing_else(tmp_path: Path, kind: int) -> None:
    path = write_tar(
        tmp_path / "shard.tar",
        (member("train/b.png"), png(1)),
        (member("train/b.cls"), b"7"),
        (member("train", tarfile.DIRTYPE), b""),
        (member("train/._b.png"), b"resource fork"),
        (member("é" * 40 + "/" + "x" * 60 + ".JPG"), png(2)),
        (member("a.png"), png(0)),
        kind=kind,
    )
    items = list(tar_items(path, "shown.tar"))
    assert [(item.file, item.member) for item in items] == [
        ("shown.tar", "train/b.png"),
        ("shown.tar", "é" * 40 + "/" + "x" * 60 + ".JPG"),
        ("shown.tar", "a.png"),
    ]
    for item, seed in zip(items, (1, 2, 0), strict=True):
        assert np.array_equal(load(item, RULE), np.asarray(picture(seed)))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (member("a.png", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (member("a.png", tarfile.LNKTYPE, "b.png"), "is a link"),
        (member("a.png", tarfile.CHRTYPE), "not a plain file"),
        (member("a.png", tarfile.FIFOTYPE), "not a plain file"),
        (member("../../a.png"), "leads out of the shard"),
        (member("/a.png"), "leads out of the shard"),
    ],
)
def test_hostile_members_are_named_and_the_others_are_read(tmp_path: Path, info: tarfile.TarInfo, reason: str) -> None:
    path = write_tar(tmp_path / "shard.tar", (info, b""), (member("good.png"), png(3)))
    bad, good = tar_items(path, "shard.tar")
    assert bad.member == info.name
    assert reason in problem(bad)
    assert np.array_equal(load(good, RULE), np.asarray(picture(3)))


def test_a_sparse_member_is_not_expanded(tmp_path: Path) -> None:
    info = member("huge.png")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
    path = write_tar(tmp_path / "shard.tar", (info, b"x"))
    (item,) = tar_items(path, "shard.tar")
    assert "not a plain file" in problem(item)


def test_large_members_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (item_module, "ran_deploy.offline.tar_shard"):
        monkeypatch.setattr(f"{module if isinstance(module, str) else module.__name__}.MAX_BYTES", 1000)
    path = write_tar(tmp_path / "shard.tar", (member("a.png"), bytes(1001)))
    (item,) = tar_items(path, "shard.tar")
    assert "1001 bytes; at most 1000" in problem(item)


def whole(tmp_path: Path) -> tuple[Path, bytes, list[int]]:
    """A shard of three images, and where its members begin."""
    path = write_tar(tmp_path / "shard.tar", *((member(f"{n}.png"), png(n)) for n in range(3)), kind=tarfile.GNU_FORMAT)
    with tarfile.open(path) as tar:
        return path, path.read_bytes(), [info.offset for info in tar]


def test_a_cut_is_told_wherever_it_is(tmp_path: Path) -> None:
    path, content, starts = whole(tmp_path)
    assert len(list(tar_items(path, "s"))) == 3
    for length, images in ((starts[1], 1), (starts[1] + 100, 1), (starts[2] + 600, 3), (len(content) // 512 * 512, 3)):
        path.write_bytes(content[:length])
        items = list(tar_items(path, "s"))
        if length == len(content):
            assert len(items) == 3
            continue
        assert items[-1].member is None
        assert "damaged" in problem(items[-1])
        assert len(items) == images + 1
    # Within the last member's data: it is there, and says that it is cut off.
    path.write_bytes(content[: starts[2] + 600])
    assert "cut off" in problem(list(tar_items(path, "s"))[2])


def test_a_damaged_header_is_told_after_the_images_before_it(tmp_path: Path) -> None:
    path, content, starts = whole(tmp_path)
    damaged = bytearray(content)
    damaged[starts[2] + 20] ^= 0xFF
    path.write_bytes(damaged)
    items = list(tar_items(path, "s"))
    assert [item.member for item in items] == ["0.png", "1.png", None]
    assert f"after 2 images: no header at byte {starts[2]}" in problem(items[2])


def test_a_negative_size_does_not_go_round_for_ever(tmp_path: Path) -> None:
    info = member("a.png")
    info.pax_headers = {"size": "-2048"}
    path = write_tar(tmp_path / "shard.tar", (info, png(0)))
    items = list(tar_items(path, "s"))
    assert items[-1].member is None
    assert "damaged" in problem(items[-1])


def test_an_endless_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 64 << 20
    path = tmp_path / "shard.tar"
    with path.open("wb") as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT))
        os.ftruncate(stream.fileno(), 128 << 20)  # sparse on the disk
    tracemalloc.start()
    try:
        (item,) = tar_items(path, "s")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert "a header of 67108864 bytes" in problem(item)


@pytest.mark.parametrize("content", [b"text, and not a tar file", b"\x1f\x8b" + bytes(600), os.urandom(2000)])
def test_what_is_no_tar_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shard.tar"
    path.write_bytes(content)
    (item,) = tar_items(path, "s")
    assert "not a tar file" in problem(item)
    with pytest.raises(IntegrityError, match="not a tar file"):
        check_tar(path)


def test_memory_does_not_grow_with_the_members(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "shard.tar", *((member(f"{n}.png"), b"x") for n in range(3000)), kind=tarfile.GNU_FORMAT
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in tar_items(path, "s")) == 3000
        assert tracemalloc.get_traced_memory()[1] < 300_000  # 3,000 TarInfo objects are more than 1 MB
    finally:
        tracemalloc.stop()
