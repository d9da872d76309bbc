"""Parquet files with images in them, in the layouts that are in use."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.manifest import Preprocessing
from ran_deploy.offline.item import Item, load
from ran_deploy.offline.parquet_shard import ParquetShard
from tests.offline.conftest import SIZE, picture

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

RULE = Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, "png")
    return stream.getvalue()


def write(path: Path, /, group: int = 4, **columns: Any) -> ParquetShard:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return ParquetShard(path, path.name)


def problem(item: Item) -> str:
    with pytest.raises(RanDeployError) as caught:
        load(item, RULE)
    return caught.value.message


@pytest.fixture
def shard(tmp_path: Path) -> ParquetShard:
    return write(tmp_path / "s.parquet", label=list(range(10)), image=[png(seed) for seed in range(10)])


def test_bytes_by_row(shard: ParquetShard) -> None:
    assert shard.rows() == 10
    items = list(shard.items())
    assert [item.member for item in items] == [str(row) for row in range(10)]
    assert np.array_equal(load(items[7], RULE), np.asarray(picture(7)))
    assert list(shard.paths()) == []


@pytest.mark.parametrize("start", range(12))
def test_begins_at_any_row(shard: ParquetShard, start: int) -> None:
    assert list(shard.items(start)) == list(shard.items())[start:]


def test_hugging_face_structs_and_a_missing_image(tmp_path: Path) -> None:
    values = [{"bytes": png(4), "path": "x.png"}, {"bytes": None, "path": None}, None]
    first, second, third = write(tmp_path / "s.parquet", image=values).items()
    assert np.array_equal(load(first, RULE), np.asarray(picture(4)))
    assert problem(second) == "s.parquet: row 1 has no image."
    assert problem(third) == "s.parquet: row 2 has no image."


def test_paths_are_relative_to_the_shard(tmp_path: Path) -> None:
    picture(5).save(tmp_path / "five.png")
    shard = write(tmp_path / "s.parquet", path=["five.png", str(tmp_path / "five.png"), "gone.png", None, "a\0b.png"])
    items = list(shard.items())
    assert [item.member for item in items] == ["five.png", str(tmp_path / "five.png"), "gone.png", "3", "4"]
    assert np.array_equal(load(items[0], RULE), load(items[1], RULE))
    assert "gone.png does not exist" in problem(items[2])
    assert "row 3 has no image" in problem(items[3])
    assert list(shard.paths()) == [tmp_path / "five.png", tmp_path / "five.png", tmp_path / "gone.png"]


def test_other_columns_are_refused(tmp_path: Path) -> None:
    shard = write(tmp_path / "s.parquet", label=[1], image=[2])
    with pytest.raises(UsageError, match="has the columns label, image; none of image, bytes, path holds images"):
        shard.rows()
    (item,) = shard.items()
    assert "none of image" in problem(item)


def test_a_damaged_row_group_costs_its_rows_only(shard: ParquetShard) -> None:
    content = bytearray(shard.path.read_bytes())
    place = content.index(png(5)[:60])  # the second group's column, whether compressed or not: PNG does not compress
    content[place - 20 : place + 200] = bytes(220)
    shard.path.write_bytes(content)
    items = list(shard.items())
    assert len(items) == 10
    assert [item.member for item in items] == [str(row) for row in range(10)]
    assert "row 6 cannot be read" in problem(items[6])
    assert np.array_equal(load(items[1], RULE), np.asarray(picture(1)))
    assert np.array_equal(load(items[9], RULE), np.asarray(picture(9)))


@pytest.mark.parametrize("keep", [0, 3, 100, -8])
def test_a_cut_file_is_one_error(shard: ParquetShard, keep: int) -> None:
    shard.path.write_bytes(shard.path.read_bytes()[:keep])
    (item,) = shard.items()
    assert item.member is None
    with pytest.raises(IntegrityError):
        shard.rows()
    assert list(shard.paths()) == []
