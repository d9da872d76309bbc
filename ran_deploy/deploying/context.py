"""What the stages of one deployment share."""

import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ran_deploy import __version__
from ran_deploy.data.dataset import Dataset
from ran_deploy.deploying.data import open_split
from ran_deploy.deploying.foreign import Foreign
from ran_deploy.deploying.here import Runtimes
from ran_deploy.deploying.options import PLAN_RUNTIMES, DeployOptions
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.manifest import Contract
from ran_deploy.runtime.open import Runtime


@dataclass(frozen=True, kw_only=True)  # no slots: the images are opened once, when they are first needed
class Context:
    """The request, the options and what this machine offers."""

    folder: Path
    request: DeployRequest
    options: DeployOptions
    runtimes: Runtimes
    dataset: str | None
    """Name of the dataset; None: only labels were given."""
    contract: Contract
    """Input, preprocessing and labels; of a network that of the catalogue, which may not know the labels' names."""
    foreign: Foreign | None = None
    """The ONNX file that comes in; None for a network."""
    machine: dict[str, str] = field(default_factory=dict)
    """What tells this machine from others."""
    version: str = __version__

    @property
    def stem(self) -> str:
        """What the files are called."""
        return self.request.stem

    @cached_property
    def images(self) -> Dataset:
        """The labelled test images."""
        return open_split(str(self.dataset), self.request.data, "test", self.contract)

    @property
    def source(self) -> str:
        """Name of the stage that all others start from."""
        return "export" if self.foreign is None else "import"

    def engine(self, precision: str, runtime: str) -> Path:
        """Return the file that a runtime loads for a precision."""
        return self.model(precision).with_suffix(".plan" if runtime in PLAN_RUNTIMES else ".onnx")

    def model(self, precision: str) -> Path:
        """Return the ONNX file of a precision."""
        return self.folder / (f"{self.stem}.onnx" if precision == "fp32" else f"{self.stem}_{precision}.onnx")

    def base_inputs(self, **others: str) -> dict[str, str]:
        """Return what determines every stage, and others."""
        return {**others, "ran-deploy": self.version}


def opened_in(runtime: str) -> Runtime:
    """Return what :func:`ran_deploy.runtime.open.open_engine` calls a runtime: a plan is run by what built it."""
    return "auto" if runtime in PLAN_RUNTIMES else runtime  # type: ignore[return-value]


def command(*words: object) -> str:
    """Return a command line of ran-deploy, ready to paste; None and False leave an option out, True its value."""
    parts = ["ran-deploy"]
    pairs = iter(words)
    parts.append(str(next(pairs)))
    for flag, value in zip(pairs, pairs, strict=True):
        if value is None or value is False or value == ():
            continue
        parts.append(str(flag))
        if value is not True:
            parts.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return shlex.join(parts)
