"""The two TensorRT libraries behind one name: ``tensorrt`` (10.12 and later, 11) and ``tensorrt_rtx``."""

import importlib.util
import re
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.optional import require
from ran_deploy.runtime.gpu import Gpu, require_gpu

FlavourName = Literal["tensorrt", "tensorrt-rtx"]
FLAVOURS = ("auto", "tensorrt", "tensorrt-rtx")
_OLDEST = {"tensorrt": (10, 12), "tensorrt-rtx": (1, 3)}
_PURPOSE = "ran-deploy build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A library that builds plans, loaded."""

    name: FlavourName
    module: ModuleType
    version: str
    gpu: Gpu | None
    """The GPU that the plan is built on and for; None: it is built ahead of time."""


def load_flavour(name: str = "auto") -> Flavour:
    """Import the library that builds.

    Args:
        name: "tensorrt", "tensorrt-rtx", or "auto": the full TensorRT where it is installed and a GPU is there,
            since it builds for that GPU, and otherwise TensorRT-RTX, which builds ahead of time.

    Raises:
        UsageError: No flavour has that name.
        MissingError: The library is not installed, or it is the full TensorRT and there is no GPU.
        IncompatibleError: The library is too old.
    """
    if name not in FLAVOURS:
        raise UsageError(f"There is no flavour {name!r}.", fix=f"Use one of {', '.join(FLAVOURS)}.")
    if name == "tensorrt" or (name == "auto" and importlib.util.find_spec("tensorrt") is not None and _has_gpu()):
        module = require("tensorrt", f"{_PURPOSE} --flavour tensorrt")
        gpu = require_gpu(
            "Building with the full TensorRT",
            fix="Run it on the machine that will serve, or build ahead of time with --flavour tensorrt-rtx.",
        )
        return _checked("tensorrt", module, gpu)
    return _checked("tensorrt-rtx", require("tensorrt_rtx", _PURPOSE), None)


def _has_gpu() -> bool:
    try:
        require_gpu(_PURPOSE)
    except MissingError:
        return False
    return True


def _checked(name: FlavourName, module: ModuleType, gpu: Gpu | None) -> Flavour:
    version = str(module.__version__)
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    oldest = _OLDEST[name]
    if found < oldest:
        wanted = ".".join(str(part) for part in oldest)
        raise IncompatibleError(
            f"{name} {version} is installed; ran-deploy needs {wanted} or later.",
            fix=f"Run: pip install --upgrade 'ran-deploy[{name}]'",
        )
    return Flavour(name=name, module=module, version=version, gpu=gpu)
