"""How fast a network trains: a plain float32 loop in NCHW, and ours, in turns.

See benchmarks/README.md. The plain loop gets its batches ready made, so that only the network's arithmetic and the
optimizer are compared with all that our loop does for a step: crops, flips, soft labels, averaged weights.

Each loop has a process of its own, as a user would start it: in one process, ours makes glibc keep the memory that the
plain one would otherwise ask the kernel for in every step. ``--kept-memory`` gives that to the plain loop too, so that
the part of the gain that comes from it can be told.
"""

import argparse
import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch  # noqa: TID253 - a script of its own
from result_file import ResultFile
from torch.nn import functional  # noqa: TID253

from ran_deploy.arch.registry import create_model
from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.ratio import LEAST_ROUNDS, Ratio, speed_ratio
from ran_deploy.config import to_mapping
from ran_deploy.data.dataset import ArrayDataset, Dataset
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.train.allocator import keep_freed_memory
from ran_deploy.train.augment import to_input
from ran_deploy.train.device import arithmetic, pick_device
from ran_deploy.train.examples import choose_examples
from ran_deploy.train.group import Group
from ran_deploy.train.loop import Trainer
from ran_deploy.train.recipe import Recipe

BAR = 3.0
"""Ours over the plain loop where the CPU computes in bfloat16; without, there is no bar."""
PLAIN, OURS, OURS_FP32 = "plain", "ours", "ours, fp32"
Times: TypeAlias = npt.NDArray[np.float64]
"""Seconds of wall-clock time, and of all threads' CPU time."""
Turn = Callable[[], Times]
"""Trains for some steps and returns the time that they took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One loop."""

    loop: str
    images_per_s: tuple[float, ...]
    """Of each round."""
    ratio: Ratio
    """Images per second over those of the plain loop."""
    cpu_ms_per_image: tuple[float, ...]
    """Of each round: says more than the clock where other work is on the CPU."""
    cpu_ratio: Ratio
    """Images per second of CPU time over those of the plain loop."""


def plain(options: argparse.Namespace, dataset: Dataset, device: torch.device) -> Turn:
    """Return a turn of the plain loop."""
    model = create_model(options.arch, options.dataset).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    indices = np.arange(options.batch)
    images = torch.from_numpy(dataset.batch(indices)).to(device)
    inputs = to_input(images, dataset.info.mean, dataset.info.std, dataset.info.size).contiguous()
    targets = torch.from_numpy(dataset.targets[indices]).to(device)

    def turn() -> Times:
        started_s = now_s(device)
        for _ in range(options.steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
        return now_s(device) - started_s

    return turn


def ours(options: argparse.Namespace, dataset: ArrayDataset, device: torch.device, recipe: Recipe) -> Turn:
    """Return a turn of our loop: a training of two more steps, of which neither the first nor the last is timed.

    The last is followed by what an epoch ends with, such as writing the state.
    """
    count = options.batch * (options.steps + 2)
    part = replace(dataset, images=dataset.images[:count], targets=dataset.targets[:count])

    def turn() -> Times:
        ends_s: list[Times] = []
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                create_model(options.arch, options.dataset).to(device),
                choose_examples(part, recipe),
                recipe,
                {},
                Path(folder),
                group=Group(),
            )
            trainer.run(lambda _images, _note: ends_s.append(now_s(device)))
        return ends_s[-2] - ends_s[0]

    return turn


def now_s(device: torch.device) -> Times:
    """Return the times once the device has done all that it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return np.array([time.perf_counter(), time.process_time()])


def serve_turns(loop: str, options: argparse.Namespace, pipe: Connection) -> None:
    """Be a loop's process: make a turn whenever the pipe asks for one, until it says None."""
    torch.set_num_threads(options.threads)
    if loop != PLAIN or options.kept_memory:
        keep_freed_memory()  # as ran-deploy train does
    device = pick_device(Group())
    dataset = memory_dataset(options)
    recipe = Recipe(epochs=1, batch=options.batch, validation=0, precision="fp32" if loop == OURS_FP32 else "auto")
    turn = plain(options, dataset, device) if loop == PLAIN else ours(options, dataset, device, recipe)
    while pipe.recv() is not None:
        pipe.send(turn())


@contextlib.contextmanager
def process(loop: str, options: argparse.Namespace) -> Iterator[Turn]:
    """Start a loop's process; yields what asks it for a turn."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=serve_turns, args=(loop, options, there), daemon=True)
    child.start()
    there.close()

    def turn() -> Times:
        here.send("turn")
        times: Times = here.recv()
        return times

    try:
        yield turn
        here.send(None)
        child.join()
    finally:
        child.kill()


def memory_dataset(options: argparse.Namespace) -> ArrayDataset:
    """Open the training images.

    Raises:
        UsageError: They are read from files.
    """
    dataset = open_dataset(options.dataset, options.data, "train")
    if not isinstance(dataset, ArrayDataset):
        raise UsageError(f"{options.dataset} is read from files.", fix="Take cifar10, cifar100 or synthetic.")
    return dataset


def measure(turns: dict[str, Turn], options: argparse.Namespace) -> list[Entry]:
    """Let all loops take turns, and the other way round in every second round."""
    took_s: dict[str, list[Times]] = {loop: [] for loop in turns}
    for number in range(options.rounds + 1):
        for loop in sorted(turns, key=list(turns).index, reverse=number % 2 == 1):
            seconds = turns[loop]()
            if number > 0:  # the first one warms up
                took_s[loop].append(seconds)
    speeds = {loop: options.batch * options.steps / np.array(seconds).T for loop, seconds in took_s.items()}
    return [
        Entry(
            loop=loop,
            images_per_s=tuple(wall.tolist()),
            ratio=speed_ratio(wall.tolist(), speeds[PLAIN][0].tolist()),
            cpu_ms_per_image=tuple((1000 / cpu).tolist()),
            cpu_ratio=speed_ratio(cpu.tolist(), speeds[PLAIN][1].tolist()),
        )
        for loop, (wall, cpu) in speeds.items()
    ]


def main(words: list[str]) -> int:
    """Measure, print and write the result; exit code 7 where the bar applies and is missed."""
    parser = argparse.ArgumentParser(description="Measure how fast a network trains, against a plain float32 loop.")
    parser.add_argument("--arch", default="att56")
    parser.add_argument("--dataset", default="cifar10", help="cifar10, cifar100 or synthetic")
    parser.add_argument("--data", type=Path, help="its folder")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8, help="of a turn")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kept-memory", action="store_true", help="let the plain loop keep freed memory too")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    options = parser.parse_args(words)
    result_file = ResultFile("training_speed", options, options.arch, options.dataset)
    try:
        if options.rounds < LEAST_ROUNDS:
            raise UsageError(f"--rounds is {options.rounds}; expected at least {LEAST_ROUNDS}.", fix="Raise it.")
        result_file.check()
        memory_dataset(options)  # so that what is wrong with it is said here
        environment, device = read_environment(), pick_device(Group())
        named = arithmetic(Recipe(), device)
        loops = [PLAIN, OURS, *([OURS_FP32] if named != "fp32" else [])]
        with contextlib.ExitStack() as stack:
            turns = {loop: stack.enter_context(process(loop, options)) for loop in loops}
            entries = measure(turns, options)
        bar = BAR if device.type == "cpu" and named == "bf16" else None
        result_file.write(
            {
                "environment": to_mapping(environment),
                "arithmetic": named,
                "bar": bar,
                "loops": [to_mapping(entry) for entry in entries],
            }
        )
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    for entry in entries:
        speed = float(np.median(entry.images_per_s))
        name = f"ours, {named}" if entry.loop == OURS else entry.loop
        cost = float(np.median(entry.cpu_ms_per_image))
        sys.stdout.write(
            f"{name:12s}{speed:10.1f} images/s  × {entry.ratio.text()}; "
            f"{cost:8.2f} ms of CPU for an image  × {entry.cpu_ratio.text()}\n"
        )
    said = f"bar {bar}" if bar else "no bar: it is for CPUs that compute in bfloat16, and this is none of them"
    sys.stdout.write(
        f"{environment.cpu}, {', '.join(environment.cpu_features) or 'no special instructions'}; {said}\n"
        f"load average before: {environment.load_average_1min}\nwritten to {result_file.path}\n"
    )
    return 7 if bar and entries[1].ratio.value < bar else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
