"""The optional packages: which there are, whether their versions suit, and what to run where they do not."""

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ran_deploy.machine.probe import Probe
from ran_deploy.optional import versions

DISTRIBUTION = "ran-deploy"
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")

State = Literal["ok", "absent", "broken", "unsuitable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An optional package that ran-deploy can use."""

    module: str
    """Its import name, which is the name of its probe too."""
    distributions: tuple[str, ...]
    """Names under which it may be installed; the first is the one in ran-deploy's extra."""
    extra: str

    def install(self, onnxruntimes: Mapping[str, str]) -> str:
        """Return the command that installs it beside the ONNX Runtimes that are here."""
        # The extra brings onnxruntime-gpu, which would overwrite files of the other.
        first = "pip uninstall -y onnxruntime && " if self.extra == "gpu" and "onnxruntime" in onnxruntimes else ""
        return f"{first}pip install 'ran-deploy[{self.extra}]'"


KNOWN = (
    Known(module="onnxruntime", distributions=_ONNXRUNTIMES, extra="cpu"),
    Known(module="openvino", distributions=("openvino",), extra="openvino"),
    Known(module="torch", distributions=("torch",), extra="train"),
    Known(module="onnxscript", distributions=("onnxscript",), extra="train"),
    Known(module="matplotlib", distributions=("matplotlib",), extra="train"),
    Known(module="tensorrt", distributions=("tensorrt",), extra="tensorrt"),
    Known(module="tensorrt_rtx", distributions=("tensorrt-rtx-cu13",), extra="tensorrt-rtx"),
    Known(module="cuda.core", distributions=("cuda-core",), extra="gpu"),
    Known(module="cuda.bindings", distributions=("cuda-bindings",), extra="gpu"),
    Known(module="pycuda", distributions=("pycuda",), extra="pycuda"),
    Known(module="starlette", distributions=("starlette",), extra="serve"),
    Known(module="uvicorn", distributions=("uvicorn",), extra="serve"),
    Known(module="grpc", distributions=("grpcio",), extra="serve"),
    Known(module="tritonclient", distributions=("tritonclient",), extra="serve"),
    Known(module="prometheus_client", distributions=("prometheus-client",), extra="serve"),
    Known(module="pyarrow", distributions=("pyarrow",), extra="parquet"),
    Known(module="tensorboard", distributions=("tensorboard",), extra="tensorboard"),
    Known(module="ray", distributions=("ray",), extra="ray"),
    Known(module="modelopt", distributions=("nvidia-modelopt",), extra="modelopt"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One optional package as it is here."""

    name: str
    state: State
    version: str | None
    wanted: str
    """The range of versions that ran-deploy takes, such as ">=2.9,<2.14"; empty where none is stated."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Providers, devices and the like."""
    reason: str = ""
    """Why it cannot be used."""
    fix: str = ""
    """The command that mends it."""


def describe(known: Known, probe: Probe, requirements: Mapping[str, str], onnxruntimes: Mapping[str, str]) -> Package:
    """Judge a probed package by ran-deploy's own requirements.

    Args:
        known: The package.
        probe: What its probe found.
        requirements: Ranges of versions by distribution, see :func:`read_requirements`.
        onnxruntimes: See :func:`installed_onnxruntimes`.
    """
    installed = versions(*known.distributions)
    version = probe.facts.get("version") or next(iter(installed.values()), None)
    wanted = requirements.get(known.distributions[0], "")
    facts = {name: value for name, value in probe.facts.items() if name != "version"}
    state: State = probe.state
    reason, fix = probe.reason, "" if probe.state == "ok" else known.install(onnxruntimes)
    if probe.state == "broken":
        fix = f"pip install --force-reinstall {next(iter(installed), known.distributions[0])}"
    elif probe.state == "ok" and version is not None and not suits(version, wanted):
        state, reason = "unsuitable", f"version {version} is not {wanted}"
        fix = f"pip install '{known.distributions[0]}{wanted}'"
    return Package(name=known.module, state=state, version=version, wanted=wanted, facts=facts, reason=reason, fix=fix)


def conflicts(installed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what is wrong with packages side by side: sentence and fix.

    Args:
        installed: Versions by distribution.
    """
    both = [name for name in _ONNXRUNTIMES if name in installed]
    if len(both) < 2:
        return ()
    keep = "gpu" if "onnxruntime-gpu" in both else "cpu"
    return (
        (
            f"{' and '.join(both)} are installed side by side: they are one import package, and the files of one have "
            "overwritten the other's",
            f"pip uninstall -y {' '.join(both)} && pip install 'ran-deploy[{keep}]'",
        ),
    )


def installed_onnxruntimes() -> dict[str, str]:
    """Return the versions of all distributions that install the package onnxruntime."""
    return versions(*_ONNXRUNTIMES)


def read_requirements() -> dict[str, str]:
    """Return the version ranges in ran-deploy's own metadata by distribution; empty when run from a bare source tree.

    A name that several extras ask for has the range of the last; they agree.
    """
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = {}
    for line in lines:
        requirement = line.partition(";")[0].strip()
        match = re.match(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*(.*)", requirement)
        if match is not None:
            parts = sorted(part.strip() for part in match[2].strip("() ").split(",") if part.strip())
            found[match[1]] = ",".join(reversed(parts))  # the lower end first: ">=2.9,<2.14"
    return found


def suits(version: str, wanted: str) -> bool:
    """Whether a version lies in a range such as ">=2.9,<2.14"; what is not understood counts as suitable."""
    mine = _numbers(version)
    for part in wanted.split(","):
        match = re.fullmatch(r"(>=|<=|<|>|==|!=|~=)\s*([0-9.]+)", part.strip())
        if match is None or not mine:
            continue
        theirs = _numbers(match[2])
        width = max(len(mine), len(theirs))
        left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (mine, theirs))
        fits = {">=": left >= right, "<": left < right, "<=": left <= right, ">": left > right, "==": left == right}
        if not fits.get(match[1], True):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
