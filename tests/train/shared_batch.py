"""One of the two processes of ``test_group``; RANK is in the environment, as torchrun sets it."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.train import loop
from ran_deploy.train.group import Group, join_group
from tests.train.small import PLAIN, StoppedError, make_trainer, silent, stop_after, train

RECIPE = replace(PLAIN, accumulate=2, mixup=0.4, cutmix=1.0, plain_epochs=1, lr=0.01)
SITTINGS = (1, 4)
"""Steps after which the training is stopped; three make an epoch."""


def train_whole_and_in_parts(folder: Path, group: Group) -> None:
    """Train into ``whole<rank>``, and once more, stopped and resumed, into ``parts<rank>``."""
    train(folder / f"whole{group.rank}", RECIPE, group=group)
    parts = folder / f"parts{group.rank}"
    for steps in SITTINGS:
        trainer = make_trainer(parts, RECIPE, group=group)
        trainer.resume()
        try:
            trainer.run(stop_after(steps))
        except StoppedError:
            continue
        raise AssertionError("the training ended before it was stopped")
    train(parts, RECIPE, group=group, resume=True)


def main(folder: Path) -> None:
    """Do all that two processes are tested in; the second one then dies."""
    torch.set_num_threads(1)
    loop._SAVE_EVERY_S = 0.0
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    with join_group() as group:
        train_whole_and_in_parts(folder, group)
        try:
            group.require_same(f"{rank:064x}")
        except UsageError as error:
            sys.stdout.write(error.message)
            sys.stdout.flush()
        trainer = make_trainer(folder / f"left{rank}", RECIPE, group=group)
        if rank == 1:
            os._exit(9)
        trainer.run(silent)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except RanDeployError as error:
        sys.exit(f"{type(error).__name__}: {error.message}")
