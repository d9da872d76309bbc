"""Where and in which arithmetic a network is trained."""

import torch

from ran_deploy.train.recipe import Recipe


def pick_device() -> torch.device:
    """A CUDA GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Whether to train in bfloat16: as the recipe says, or where the hardware computes in it natively."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())


def use_compile(recipe: Recipe, device: torch.device) -> bool:
    """Whether to compile the network: as the recipe says, or on a GPU."""
    return recipe.compile == "on" or (recipe.compile == "auto" and device.type == "cuda")
