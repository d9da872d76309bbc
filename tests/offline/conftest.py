"""A small engine and pictures that it tells apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.quant.small import publish_model, small_model

SIZE = 32


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    publish_model(small_model(), path)
    return path


def picture(seed: int) -> Image.Image:
    """An image whose colours depend on ``seed`` alone."""
    rng = np.random.default_rng(seed)
    return Image.fromarray((rng.integers(0, 256, 3) * rng.random((SIZE, SIZE, 1))).astype(np.uint8))


MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Make a folder of PNG files that sort in the order of their seeds; ``damaged`` ones are cut off."""

    def make(count: int, *, damaged: tuple[int, ...] = (), name: str = "images") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for seed in range(count):
            path = folder / f"{seed:03d}.png"
            picture(seed).save(path)
            if seed in damaged:
                path.write_bytes(path.read_bytes()[:100])
        return folder

    return make
