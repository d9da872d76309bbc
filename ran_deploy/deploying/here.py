"""What this machine offers a deployment: which runtimes are installed, which run, and what tells machines apart."""

import importlib.util
from dataclasses import dataclass

from ran_deploy.bench.environment import read_environment
from ran_deploy.deploying.options import PLAN_RUNTIMES, DeployOptions, RuntimeName
from ran_deploy.engine.flavour import Flavour, load_flavour
from ran_deploy.engine.targets import check_targets
from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.optional import require, versions
from ran_deploy.runtime.gpu import require_gpu

_MODULES = {"openvino": "openvino", "openvino-bf16": "openvino"}
_DISTRIBUTIONS = {"openvino": ("openvino",), "openvino-bf16": ("openvino",)}
_ON_GPU = ("onnxruntime-cuda", "onnxruntime-tensorrt", *PLAN_RUNTIMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtimes:
    """The runtimes of a deployment."""

    chosen: tuple[RuntimeName, ...]
    flavour: Flavour | None
    """What builds the plans; None: no runtime takes plans."""
    absent: dict[str, str]
    """Runtimes that were not asked for by name and are not here, with the reason."""
    not_run: dict[str, str]
    """Runtimes that do not run here, with the reason; what they take is built nevertheless."""

    def versions(self, runtime: str) -> dict[str, str]:
        """Return the versions of a runtime's libraries."""
        if runtime in PLAN_RUNTIMES:
            return {} if self.flavour is None else {self.flavour.name: self.flavour.version}
        return versions(*_DISTRIBUTIONS.get(runtime, ("onnxruntime", "onnxruntime-gpu")))


def find_runtimes(options: DeployOptions) -> Runtimes:
    """Find the runtimes that were asked for, or those that are here.

    Raises:
        UsageError: Options contradict one another, or the library does not build for a target.
        MissingError: A runtime that was asked for by name is not installed, or TensorRT lacks the GPU to build on.
        IncompatibleError: The library that builds is too old.
    """
    absent: dict[str, str] = {}
    require("onnxruntime", "ran-deploy deploy")  # every stage is proven with it
    if options.runtimes is None:
        flavour = _flavour_here(options, absent)
        chosen: list[RuntimeName] = ["onnxruntime"]
        if importlib.util.find_spec("openvino") is None:
            absent["openvino"] = "It is not installed: pip install 'ran-deploy[openvino]'"
        else:
            chosen.append("openvino")
        if flavour is not None:
            chosen.append(flavour.name)
    else:
        chosen = list(options.runtimes)
        for runtime in chosen:
            if runtime in _MODULES and importlib.util.find_spec(_MODULES[runtime]) is None:
                require(_MODULES[runtime], f"The runtime {runtime}")
        flavour = _flavour_named(options, chosen)
    if flavour is None and options.targets and options.runtimes is not None:
        raise UsageError("--targets is about plans, and no runtime takes any.", fix="Add tensorrt-rtx to --runtimes.")
    if flavour is not None:
        check_targets(flavour, options.targets)
    return Runtimes(chosen=tuple(chosen), flavour=flavour, absent=absent, not_run=_not_run(chosen))


def _flavour_here(options: DeployOptions, absent: dict[str, str]) -> Flavour | None:
    try:
        return load_flavour(options.flavour)
    except (MissingError, IncompatibleError) as error:
        if options.flavour != "auto" or options.targets:  # then a plan was asked for
            raise
        absent["tensorrt-rtx"] = error.message
        return None


def _flavour_named(options: DeployOptions, chosen: list[RuntimeName]) -> Flavour | None:
    named = [runtime for runtime in chosen if runtime in PLAN_RUNTIMES]
    if len(named) > 1:
        raise UsageError(
            "The runtimes name both tensorrt and tensorrt-rtx.", fix="Deploy each into a folder of its own."
        )
    if not named:
        return None
    if options.flavour not in ("auto", named[0]):
        raise UsageError(f"The flavour is {options.flavour}, but the runtimes name {named[0]}.", fix="Leave one out.")
    return load_flavour(named[0])


def _not_run(chosen: list[RuntimeName]) -> dict[str, str]:
    on_gpu = [runtime for runtime in chosen if runtime in _ON_GPU]
    if not on_gpu:
        return {}
    try:
        require_gpu("Running it")
    except MissingError:
        return dict.fromkeys(on_gpu, "not run here: needs an NVIDIA GPU")
    return {}


def machine_identity() -> dict[str, str]:
    """Return what makes measurements of two machines different ones, by the name that a person reads."""
    found = read_environment()
    gpus = ", ".join(sorted(gpu.get("name", "") for gpu in found.gpus)) or "none"
    return {"cpu": found.cpu, "cpus": str(found.cpus), "gpus": gpus}
