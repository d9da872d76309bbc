"""How fast images are ready to be trained on: image by image as most training scripts do it, and as we do it.

See benchmarks/README.md. The clock covers everything from indices to normalized float32 batches in the network's
memory layout, and nothing of the network.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch  # noqa: TID253 - a script of its own
from PIL import Image
from result_file import ResultFile
from torch import Tensor  # noqa: TID253

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.ratio import LEAST_ROUNDS, Ratio, speed_ratio
from ran_deploy.config import to_mapping
from ran_deploy.data.crops import draw_crops
from ran_deploy.data.dataset import Dataset
from ran_deploy.data.image_folder import FolderDataset
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.train.augment import augment, to_input
from ran_deploy.train.feeder import Feeder, Indices
from ran_deploy.train.recipe import Recipe

CPU = torch.device("cpu")
SHIFT = Recipe(crop_padding=4)
RESIZE = Recipe(resized_crop=(0.08, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be made ready in each turn."""

    name: str
    dataset: Dataset
    recipe: Recipe
    steps: tuple[tuple[int, Indices], ...]

    @property
    def images(self) -> int:
        """Images of a turn."""
        return sum(len(indices) for _, indices in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One way to do it."""

    way: str
    images_per_s: tuple[float, ...]
    """Of each round."""
    cpu_ms_per_image: tuple[float, ...]
    """Time of all threads together, of each round: what is taken from a training on the same CPU."""
    ratio: Ratio
    """Images per second over those of the first way."""


def plainly(work: Work) -> Iterator[Tensor]:
    """Image by image with Pillow, in the loop's own thread, then stacked."""
    info, recipe = work.dataset.info, work.recipe
    mean, std = torch.tensor(info.mean)[:, None, None], torch.tensor(info.std)[:, None, None]
    for step, indices in work.steps:
        rng = np.random.default_rng(step)
        images = []
        for index in indices:
            image = _crop(_read(work.dataset, int(index)), rng, recipe, info.size)
            if rng.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255
            images.append((pixels - mean) / std)
        yield torch.stack(images).contiguous(memory_format=torch.channels_last)


def _read(dataset: Dataset, index: int) -> Image.Image:
    if isinstance(dataset, FolderDataset):
        with Image.open(dataset.folder / dataset.files[index]) as stored:
            return stored.convert("RGB")
    return Image.fromarray(dataset.batch(np.array([index]))[0])


def _crop(image: Image.Image, rng: np.random.Generator, recipe: Recipe, size: int) -> Image.Image:
    if recipe.resized_crop is not None:
        left, top, wide, high = draw_crops(rng, 1, recipe.resized_crop, recipe.aspect).boxes(*image.size)[0].astype(int)
        cropped = image.crop((left, top, left + max(wide, 1), top + max(high, 1)))
        return cropped.resize((size, size), Image.Resampling.BILINEAR)
    padded = Image.new("RGB", (size + 2 * recipe.crop_padding,) * 2)
    padded.paste(image, (recipe.crop_padding, recipe.crop_padding))
    left, top = rng.integers(0, 2 * recipe.crop_padding + 1, 2).tolist()
    return padded.crop((left, top, left + size, top + size))


def fed(work: Work, feeder: Feeder) -> Iterator[Tensor]:
    """As the training loop does it."""
    info = work.dataset.info
    for (step, _), images in zip(work.steps, feeder.steps(work.steps), strict=True):
        changed = augment(images, np.random.default_rng((0, 1, step)), feeder.recipe)
        yield to_input(changed, info.mean, info.std, info.size)


def ways(work: Work, stack: contextlib.ExitStack) -> dict[str, Callable[[], Iterator[Tensor]]]:
    """Return the ways to compare; the baseline first."""
    kept = stack.enter_context(Feeder(work.dataset, work.recipe, CPU))
    found = {"image by image": lambda: plainly(work), "ours": lambda: fed(work, kept)}
    if isinstance(work.dataset, FolderDataset) and kept.recipe is work.recipe:
        never = stack.enter_context(Feeder(work.dataset, work.recipe, CPU, memory_bytes=0))
        found["ours, first pass or too large to keep"] = lambda: fed(work, never)
    return found


def measure(work: Work, rounds: int) -> list[Entry]:
    """Let all ways take turns."""
    with contextlib.ExitStack() as stack:
        compared = ways(work, stack)
        speeds: dict[str, list[float]] = {way: [] for way in compared}
        costs: dict[str, list[float]] = {way: [] for way in compared}
        for turn in range(rounds + 1):
            for way, start in compared.items():
                wall_s, cpu_s = time.perf_counter(), time.process_time()
                seen = sum(len(images) for images in start())
                wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
                if turn > 0:  # the first fills caches: the system's of files, and ours of images
                    speeds[way].append(seen / wall_s)
                    costs[way].append(1000 * cpu_s / seen)
    base = speeds["image by image"]
    return [
        Entry(
            way=way,
            images_per_s=tuple(speeds[way]),
            cpu_ms_per_image=tuple(costs[way]),
            ratio=speed_ratio(speeds[way], base),
        )
        for way in compared
    ]


def works(options: argparse.Namespace) -> list[Work]:
    """Open what there is to read."""
    asked = (
        ("CIFAR-10, pad-and-crop", "cifar10", options.data, SHIFT, 128, 16),
        ("Tiny ImageNet, resized crop", "tiny-imagenet", options.data, RESIZE, 128, 8),
        ("ImageNet, resized crop", "imagenet", options.imagenet, RESIZE, 64, 4),
    )
    found = []
    for name, dataset, root, recipe, batch, steps in asked:
        data = open_dataset(dataset, root, "train")
        order = np.random.default_rng(0).permutation(len(data))[: batch * steps]
        batches = tuple(enumerate(np.split(order[: len(order) // batch * batch], len(order) // batch)))
        found.append(Work(name=name, dataset=data, recipe=recipe, steps=batches))
    return found


def show(work: Work, entries: list[Entry]) -> None:
    """Print one data set."""
    lines = [f"{work.name}, {work.images} images a turn"]
    for entry in entries:
        speed, cost = float(np.median(entry.images_per_s)), float(np.median(entry.cpu_ms_per_image))
        lines.append(f"  {entry.way:40s}{speed:10,.0f} images/s {cost:8.3f} ms of CPU × {entry.ratio.text()}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Measure how fast images are ready to be trained on.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of CIFAR-10 and Tiny ImageNet")
    parser.add_argument("--imagenet", type=Path, required=True, help="a folder of ImageNet's 1,000 classes")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of torch; decoding uses all CPUs of this process")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    options = parser.parse_args(words)
    result_file = ResultFile("training_input", options)
    try:
        if options.rounds < LEAST_ROUNDS:
            raise UsageError(f"--rounds is {options.rounds}; expected at least {LEAST_ROUNDS}.", fix="Raise it.")
        result_file.check()
        torch.set_num_threads(options.threads)
        environment = read_environment()
        found = []
        for work in works(options):
            entries = measure(work, options.rounds)
            show(work, entries)
            listed = [to_mapping(entry) for entry in entries]
            found.append({"work": work.name, "images": work.images, "entries": listed})
        result_file.write({"environment": to_mapping(environment), "works": found})
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"load average before: {environment.load_average_1min}\nwritten to {result_file.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
