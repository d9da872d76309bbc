"""``ran-deploy train``: from a recipe and images to a checkpoint."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ran_deploy.cli import model_options as given
from ran_deploy.cli.output import JsonFlag, emit, note
from ran_deploy.errors import RanDeployError
from ran_deploy.optional import require
from ran_deploy.progress import duration

EPILOG = "Example: ran-deploy train --arch att56 --dataset cifar10 --data DIR --epochs 1 --out runs/att56"


def train_command(
    arch: Annotated[str, typer.Option(help="The network: see `ran-deploy archs`.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the state, metrics and curves.")],
    dataset: Annotated[str, typer.Option(help="cifar10, cifar100, imagenet, tiny-imagenet or synthetic.")] = "cifar10",
    data: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe file (TOML), or a shipped one's name.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Override the recipe's epochs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Override the recipe's seed.")] = None,
    images: Annotated[
        int | None, typer.Option(help="Learn from so many images only, the same number of each class.")
    ] = None,
    label_noise: Annotated[
        float | None,
        typer.Option(help="Replace a training label by another class with this probability (default: the recipe's)."),
    ] = None,
    option: given.NetworkOption = None,
    init: Annotated[Path | None, typer.Option(help="Start from this checkpoint (fine-tuning).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write OUT/tensorboard.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a network; survives a kill at any moment and goes on with --resume.

    On several GPUs or machines: torchrun --nproc-per-node N -m ran_deploy train …
    """
    require("torch", "ran-deploy train")
    from ran_deploy.train.allocator import keep_freed_memory
    from ran_deploy.train.run import train_network

    keep_freed_memory()
    process = int(os.environ.get("RANK", "0"))  # set by torchrun; the first one alone speaks on stdout
    try:
        result = train_network(
            arch,
            dataset=dataset,
            data=data,
            out=out,
            recipe=recipe,
            epochs=epochs,
            seed=seed,
            images=images,
            label_noise=label_noise,
            options=given.network_options(option),
            resume=resume,
            init=init,
            tensorboard=tensorboard,
        )
    except RanDeployError as error:
        if process == 0:
            raise
        note(f"process {process}: {error.message}")
        raise typer.Exit(error.exit_code) from error
    if process:
        return
    last = result.last
    lines = [f"{result.checkpoint}  {result.epochs} epochs in {duration(result.elapsed_s)}"]
    if last.val_top1 is not None:
        lines.append(f"validation top-1 {last.val_top1:.2f}% (held out of the training set)")
    lines.append(f"curves   {result.curves}")
    lines.append(f"next     ran-deploy export --arch {arch} --dataset {dataset} --checkpoint {result.checkpoint}")
    emit(result, "train/v1", as_json=as_json, lines=lines)
