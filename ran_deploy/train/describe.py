"""What the manifest of a trained checkpoint says."""

import platform
from dataclasses import asdict

import torch

from ran_deploy import __version__
from ran_deploy.arch.checkpoint import CheckpointInfo
from ran_deploy.data.contract import make_contract
from ran_deploy.manifest import Manifest, Parent, Precision, stage_key
from ran_deploy.optional import versions
from ran_deploy.train.device import arithmetic
from ran_deploy.train.loop import Trainer


def describe(info: CheckpointInfo, trainer: Trainer, parents: tuple[Parent, ...]) -> Manifest:
    """Return the manifest of a finished run's checkpoint."""
    made_by = {"ran-deploy": __version__, **versions("torch", "numpy")}
    last, noise, size = trainer.course.history[-1], trainer.examples.noise, trainer.group.size
    return Manifest(
        kind="checkpoint",
        arch=info.arch,
        dataset=info.dataset,
        contract=make_contract(trainer.examples.dataset.info, info.labels),
        precision=Precision(asked="fp32"),
        parents=parents,
        key=stage_key("train", trainer.state.identity, made_by),
        options=info.options,
        training={
            "recipe": asdict(trainer.recipe),
            "device": _device_name(trainer.device),
            "arithmetic": arithmetic(trainer.recipe, trainer.device),
            **({"processes": size} if size > 1 else {}),
            **({"label_noise": asdict(noise)} if noise is not None else {}),
            "images": len(trainer.examples.train),
            "steps": trainer.state.counters.step,
            "elapsed_s": round(trainer.state.counters.elapsed_s, 1),
            "val_top1": last.val_top1,
        },
        versions=made_by,
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
