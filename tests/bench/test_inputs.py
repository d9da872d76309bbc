from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import UsageError

_INFO = dataset_info("synthetic")
_CONTRACT = make_contract(_INFO, _INFO.labels)


def test_random_batches_differ_and_are_reproducible() -> None:
    pool, fed = make_pool(_CONTRACT, (1, 4), None)
    again, _ = make_pool(_CONTRACT, (1, 4), None)
    assert fed == "32 images of random pixels (seed 20)"
    assert np.array_equal(pool, again)
    buffers = make_buffers(_CONTRACT, pool, 4)
    assert len(buffers) == 8
    assert {buffer.shape for buffer in buffers} == {(4, 32, 32, 3)}
    assert len({buffer.tobytes() for buffer in buffers}) == 8


def test_batches_are_as_the_engine_takes_them() -> None:
    contract = make_contract(_INFO, _INFO.labels, "float32-nchw")
    pool, _ = make_pool(contract, (2,), None)
    buffers = make_buffers(contract, pool, 2)
    assert all(buffer.dtype == np.float32 and buffer.shape == (2, 3, 32, 32) for buffer in buffers)


def test_real_images_are_repeated_to_fill_a_batch(tmp_path: Path) -> None:
    for level in (10, 20, 30):
        Image.new("RGB", (40, 40), (level, level, level)).save(tmp_path / f"{level}.png")
    pool, fed = make_pool(_CONTRACT, (4,), tmp_path)
    assert fed == f"3 images from {tmp_path}"
    first, second, *_ = make_buffers(_CONTRACT, pool, 4)
    assert first[:, 0, 0, 0].tolist() == [10, 20, 30, 10]
    assert second[:, 0, 0, 0].tolist() == [20, 30, 10, 20]


def test_large_batches_make_fewer_buffers() -> None:
    pool, _ = make_pool(_CONTRACT, (20_000,), None)
    assert len(pool) == 512
    assert len(make_buffers(_CONTRACT, pool, 20_000)) == 4  # 61 MB each, 256 MiB in all


def test_batch_that_no_memory_holds() -> None:
    with pytest.raises(UsageError, match=r"which makes 3072\.0 GB of input") as caught:
        make_pool(_CONTRACT, (1, 10**9), None)
    assert caught.value.fix == "Use a batch of at most 349525."


def test_fixed_batch() -> None:
    fixed = replace(_CONTRACT, input=replace(_CONTRACT.input, shape=(2, 32, 32, 3)))
    with pytest.raises(UsageError, match="The batch size is 8; this engine takes 2 only") as caught:
        make_pool(fixed, (2, 8), None)
    assert caught.value.fix == "Use --batch 2"


def test_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No image was found"):
        make_pool(_CONTRACT, (1,), tmp_path)
