"""The images of each step: the right ones, in order, decoded no more often than needed, and no thread left behind."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.image_folder import FolderDataset, open_folder
from ran_deploy.data.open import open_dataset
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.errors import IntegrityError
from ran_deploy.train import decoding
from ran_deploy.train.feeder import Feeder, Indices
from ran_deploy.train.recipe import Recipe

CPU = torch.device("cpu")
COUNT = 24
CROPPED = Recipe(resized_crop=(0.08, 1.0), seed=3)


@pytest.fixture
def folder(tmp_path: Path) -> FolderDataset:
    """Images of 60 by 30 pixels for a model of 16: the outer thirds, which the centre crop never shows, are white."""
    for place in range(COUNT):
        pixels = np.full((30, 60, 3), 255, np.uint8)
        pixels[:, 16:44] = 8 * place
        path = tmp_path / "images" / f"class{place % 2}" / f"{place:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return open_folder(
        tmp_path / "images", replace(dataset_info("imagenet"), name="folder", size=16, resize=20), "train"
    )


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The images that were decoded, in the order in which threads began."""
    seen: list[int] = []
    original = FolderDataset.load

    def load(self: FolderDataset, index: int) -> np.ndarray:
        seen.append(index)
        return original(self, index)

    monkeypatch.setattr(FolderDataset, "load", load)
    return seen


def batches(first: int = 0, last: int = 6) -> Iterator[tuple[int, Indices]]:
    order = np.random.default_rng(1).permutation(COUNT)
    return ((step, order[4 * step : 4 * step + 4]) for step in range(first, last))


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_what_is_in_memory_is_handed_out_as_it_is() -> None:
    data = make_synthetic("train", COUNT)
    with Feeder(data, CROPPED, CPU) as feeder:
        assert feeder.recipe is CROPPED  # the crop is left to augment
        for (_, indices), images in zip(batches(), feeder.steps(batches()), strict=True):
            assert images.dtype == torch.uint8
            assert np.array_equal(images.numpy(), data.batch(indices))


def test_a_small_folder_is_decoded_once(folder: FolderDataset, loads: list[int]) -> None:
    with Feeder(folder, Recipe(), CPU) as feeder:
        for _ in range(2):
            for (_, indices), images in zip(batches(), feeder.steps(batches()), strict=True):
                expected = 8 * np.array([int(Path(folder.files[index]).stem) for index in indices])
                assert np.array_equal(images[:, 8, 8, 0].numpy(), expected)
        assert torch.equal(feeder.batch(np.array([5, 5, 2])), torch.from_numpy(folder.batch(np.array([5, 5, 2]))))
    assert sorted(loads[:COUNT]) == list(range(COUNT))
    assert len(loads) == COUNT + 3  # the three that the test itself asked for


def test_a_large_folder_is_decoded_each_time(folder: FolderDataset, loads: list[int]) -> None:
    with Feeder(folder, Recipe(), CPU, memory_bytes=COUNT * 16 * 16 * 3 - 1) as feeder:
        first, second = (torch.cat(list(feeder.steps(batches()))) for _ in range(2))
    assert torch.equal(first, second)
    assert len(loads) == 2 * COUNT


def test_a_resized_crop_is_taken_from_the_whole_file(folder: FolderDataset, loads: list[int]) -> None:
    with Feeder(folder, CROPPED, CPU) as feeder:
        assert feeder.recipe == replace(CROPPED, resized_crop=None, crop_padding=0)
        seen = torch.cat(list(feeder.steps(batches())))
        whole = feeder.batch(np.arange(COUNT))
    assert seen.shape == (COUNT, 16, 16, 3)
    assert (seen == 255).any()
    assert not (whole == 255).any()
    assert len(loads) == COUNT  # of the last line alone
    assert len({image.numpy().tobytes() for image in seen}) == COUNT


def test_a_resumed_run_sees_the_same(folder: FolderDataset) -> None:
    with Feeder(folder, CROPPED, CPU) as feeder:
        whole = list(feeder.steps(batches()))
    with Feeder(folder, CROPPED, CPU) as feeder:
        rest = list(feeder.steps(batches(first=4)))
    assert all(torch.equal(one, other) for one, other in zip(whole[4:], rest, strict=True))
    with Feeder(folder, replace(CROPPED, seed=4), CPU) as feeder:
        assert not torch.equal(next(feeder.steps(batches())), whole[0])
    with Feeder(folder, CROPPED, CPU) as feeder:
        same_images = ((step + 1, indices) for step, indices in batches())
        assert not torch.equal(next(feeder.steps(same_images)), whole[0])


@pytest.mark.parametrize("recipe", [CROPPED, Recipe()])
def test_processes_that_share_a_batch_see_what_one_would(folder: FolderDataset, recipe: Recipe) -> None:
    memory = make_synthetic("train", COUNT)
    for data in (folder, memory):
        with Feeder(data, recipe, CPU) as feeder:
            whole = list(feeder.steps(batches()))
            for own in (np.array([0, 2]), np.array([1, 3])):
                shares = feeder.steps(batches(), own)
                assert all(torch.equal(all_of[own], share) for all_of, share in zip(whole, shares, strict=True))


def test_no_more_than_two_steps_ahead(folder: FolderDataset) -> None:
    taken = []

    def counted() -> Iterator[tuple[int, Indices]]:
        for step, indices in batches():
            taken.append(step)
            yield step, indices

    with Feeder(folder, Recipe(), CPU) as feeder:
        steps = feeder.steps(counted())
        assert taken == []
        for done in range(1, 7):
            next(steps)
            assert len(taken) == min(done + 2, 6)
        assert list(steps) == []


def test_a_corrupt_file_is_named_at_its_step_and_ends_the_threads(folder: FolderDataset) -> None:
    bad = int(next(indices for step, indices in batches() if step == 3)[2])
    path = folder.folder / folder.files[bad]
    path.write_bytes(path.read_bytes()[:40])
    done: list[int] = []

    def train() -> None:
        with Feeder(folder, CROPPED, CPU) as feeder:
            done.extend(len(decoders()) for _ in feeder.steps(batches()))

    with pytest.raises(IntegrityError, match=path.name):
        train()
    assert len(done) == 3
    assert min(done) >= 1
    assert not decoders()


def test_what_nobody_waits_for_is_not_decoded(folder: FolderDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "DECODERS", 1)
    first = set(next(batches())[1].tolist())
    gate, begun = threading.Event(), []
    original = FolderDataset.load

    def load(self: FolderDataset, index: int) -> np.ndarray:
        if index not in first:
            begun.append(index)
            gate.wait(60)
        return original(self, index)

    monkeypatch.setattr(FolderDataset, "load", load)
    with Feeder(folder, Recipe(), CPU) as feeder:
        steps = feeder.steps(batches())
        next(steps)
        steps.close()
        gate.set()
    assert len(begun) <= 1  # the one that the only thread was at
    assert not decoders()


def test_ctrl_c_ends_the_threads(folder: FolderDataset) -> None:
    def train() -> None:
        with Feeder(folder, CROPPED, CPU) as feeder:
            next(feeder.steps(batches()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert not decoders()


@pytest.mark.gpu
def test_the_pixels_live_on_the_gpu(folder: FolderDataset) -> None:
    device = torch.device("cuda")
    data = make_synthetic("train", COUNT)
    with Feeder(data, Recipe(), device) as feeder:
        before = torch.cuda.memory_allocated()
        images = list(feeder.steps(batches()))
        assert torch.cuda.memory_allocated() - before < 2 * data.images.nbytes
    assert all(
        np.array_equal(one.cpu().numpy(), data.batch(indices))
        for one, (_, indices) in zip(images, batches(), strict=True)
    )
    with Feeder(folder, CROPPED, device) as feeder, Feeder(folder, CROPPED, CPU) as other:
        pairs = zip(feeder.steps(batches()), other.steps(batches()), strict=True)
        assert all(torch.equal(one.cpu(), two) for one, two in pairs)


@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="RAN_DEPLOY_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "folder_name", "side"), [("tiny-imagenet", "", 64), ("imagenet", "imagenet-sample", 224)]
)
def test_real_images(name: str, folder_name: str, side: int) -> None:
    data = open_dataset(name, Path(os.environ["RAN_DEPLOY_DATA"]) / folder_name, "train")
    indices = np.arange(0, len(data), len(data) // 12)
    with Feeder(data, CROPPED, CPU) as feeder:
        images = torch.cat(list(feeder.steps((step, indices[4 * step : 4 * step + 4]) for step in range(3))))
        assert (feeder.recipe.resized_crop is None) == (name == "imagenet")
        plain = feeder.batch(indices[:4])
    assert images.shape == (12, side, side, 3)
    assert images.float().std() > 20
    assert np.array_equal(plain.numpy(), data.batch(indices[:4]))
