"""Where and in which arithmetic a network is trained."""

import torch

from ran_deploy.errors import UsageError
from ran_deploy.train.group import Group
from ran_deploy.train.recipe import Recipe

_NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", None: "fp32"}


def pick_device(group: Group) -> torch.device:
    """A CUDA GPU if torch sees one, this process's own where several train together; else the CPU."""
    return torch.device("cuda", group.local_rank) if torch.cuda.is_available() else torch.device("cpu")


def autocast_type(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """Return the type of both passes; None: float32.

    "auto" is bfloat16 where the hardware computes in it natively.

    Raises:
        UsageError: float16 on a CPU, whose loss scaling is not worth having there.
    """
    if recipe.precision == "fp16" and device.type != "cuda":
        raise UsageError(
            "The recipe asks for precision 'fp16', which is for training on a GPU; here is none.",
            fix="Take precision = 'auto', 'bf16' or 'fp32'.",
        )
    if recipe.precision == "auto":
        return torch.bfloat16 if _computes_in_bf16(device) else None
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(recipe.precision)


def arithmetic(recipe: Recipe, device: torch.device) -> str:
    """Return the name of :func:`autocast_type`'s answer."""
    return _NAMES[autocast_type(recipe, device)]


def use_compile(recipe: Recipe, device: torch.device, group: Group) -> bool:
    """Whether to compile the network: as the recipe says, or where a single process trains on a GPU.

    Raises:
        UsageError: The recipe asks for it, and several processes train together.
    """
    if group.size > 1:
        if recipe.compile == "on":
            raise UsageError(
                f"The recipe asks to compile the network, which {group.size} processes that train together do not do.",
                fix="Take compile = 'auto' or 'off'.",
            )
        return False
    return recipe.compile == "on" or (recipe.compile == "auto" and device.type == "cuda")


def check_device(recipe: Recipe, device: torch.device, group: Group) -> None:
    """Refuse, before any image is read, what the device or the group cannot do.

    Raises:
        UsageError: As :func:`autocast_type` and :func:`use_compile`, or a batch that cannot be shared evenly.
    """
    autocast_type(recipe, device)
    use_compile(recipe, device, group)
    shares = recipe.accumulate * group.size
    if recipe.batch % shares:
        raise UsageError(
            f"A batch of {recipe.batch} cannot be cut evenly into {recipe.accumulate} parts for "
            f"{group.size} processes.",
            fix=f"Take a batch that {shares} divides, or another number of processes.",
        )


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
