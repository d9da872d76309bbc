import numpy as np
import torch

from ran_deploy.train.augment import augment, to_input


def crop(padded: torch.Tensor, row: int, column: int, flip: bool) -> torch.Tensor:
    part = padded[row : row + 8, column : column + 8]
    return part.flip(1) if flip else part


def test_every_image_is_a_crop_of_its_padded_self_perhaps_mirrored() -> None:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(1, 256, (40, 8, 8, 3), dtype=np.uint8))
    shifted = augment(images, np.random.default_rng(1), padding=2, flip=True)
    assert shifted.dtype == torch.uint8
    offsets, mirrored = set(), set()
    for before, after in zip(images, shifted, strict=True):
        padded = torch.zeros(12, 12, 3, dtype=torch.uint8)
        padded[2:10, 2:10] = before
        found = [
            (row, column, flip)
            for row in range(5)
            for column in range(5)
            for flip in (False, True)
            if torch.equal(crop(padded, row, column, flip), after)
        ]
        assert len(found) == 1
        offsets.add(found[0][:2])
        mirrored.add(found[0][2])
    assert len(offsets) > 10
    assert mirrored == {False, True}


def test_without_padding_and_flip_nothing_changes() -> None:
    images = torch.arange(2 * 4 * 4 * 3, dtype=torch.uint8).view(2, 4, 4, 3)
    assert torch.equal(augment(images, np.random.default_rng(0), padding=0, flip=False), images)


def test_the_generator_is_the_only_randomness() -> None:
    images = torch.randint(0, 256, (8, 8, 8, 3), dtype=torch.uint8)
    first = augment(images, np.random.default_rng(3), padding=2, flip=True)
    assert torch.equal(first, augment(images, np.random.default_rng(3), padding=2, flip=True))
    assert not torch.equal(first, augment(images, np.random.default_rng(4), padding=2, flip=True))


def test_to_input_normalizes_and_resizes() -> None:
    images = torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)
    images[..., 1] = 0
    for size in (32, 16):
        out = to_input(images, (0.5, 0.5, 0.5), (0.25, 0.5, 0.25), size)
        assert out.shape == (1, 3, size, size)
        assert torch.allclose(out.mean((0, 2, 3)), torch.tensor([2.0, -1.0, 2.0]), atol=1e-5)
        assert out.is_contiguous(memory_format=torch.channels_last)
