"""What must hold before a TensorRT plan may be deserialized: a plan that fails here is refused with the reason.

A plan is executable code for one library version and some GPUs; a library that is given another one answers
with None or worse. So the hash is checked first, then package, version, GPU and targets.
"""

import re
import shlex
from pathlib import Path
from types import ModuleType

from ran_deploy.errors import IncompatibleError, IntegrityError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Build, Manifest, Parent
from ran_deploy.optional import require
from ran_deploy.runtime.gpu import Gpu, require_gpu

_MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}


def check_plan(path: Path, manifest: Manifest) -> Gpu:
    """Check that this machine can run a plan whose hash has been verified.

    Returns:
        The GPU that would run it.

    Raises:
        IntegrityError: The manifest does not say what built the plan.
        MissingError: The library or an NVIDIA GPU is missing.
        IncompatibleError: The plan was built by another version, or for other GPUs.
    """
    build = manifest.build
    if build is None:
        raise IntegrityError(f"The manifest of {path} does not say what built it.", fix="Build the plan again.")
    library = require(_MODULES[build.flavour], f"Running {path.name}, which {build.flavour} built,")
    if library.__version__ != build.version:
        raise IncompatibleError(
            f"{path} was built by {build.flavour} {build.version} for {', '.join(build.targets)}; "
            f"here is {build.flavour} {library.__version__}.",
            fix=f"Run: {rebuild_command(path, manifest)}",
        )
    parent = onnx_parent(path, manifest)
    instead = f"For the CPU, use --engine {parent}" if parent else "Use the .onnx file that it was built from."
    gpu = require_gpu(f"Running {path.name}", fix=instead)
    if not fits_targets(build, gpu.capability):
        raise IncompatibleError(
            f"{path} was built by {build.flavour} {build.version} for {', '.join(build.targets)}; "
            f"here is {gpu.name}, sm{gpu.capability}.",
            fix=f"Run: {rebuild_command(path, manifest, *_options_for(gpu, build, library))}",
        )
    return gpu


def fits_targets(build: Build, capability: int) -> bool:
    """Whether a plan's targets, such as ("sm80", "sm120+"), cover a compute capability such as 89.

    Raises:
        IntegrityError: A target is not written like that.
    """
    for target in build.targets:
        match = re.fullmatch(r"sm(\d+)(\+?)", target)
        if match is None:
            raise IntegrityError(
                f"The plan's manifest has the target {target!r}; expected one like 'sm89' or 'sm120+'.",
                fix="Build the plan again.",
            )
        least = int(match[1])
        if capability == least or (match[2] and capability > least):
            return True
    return False


def onnx_parent(path: Path, manifest: Manifest) -> Path | None:
    """Return the ``.onnx`` file that a plan was built from, if it still lies unchanged beside the plan."""
    parent = _parent(manifest)
    if parent is None:
        return None
    beside = path.with_name(Path(parent.name).name)
    whole = beside.is_file() and beside.stat().st_size > 0
    return beside if whole and sha256_file(beside) == parent.sha256 else None


def rebuild_command(path: Path, manifest: Manifest, *options: str) -> str:
    """Return the command that builds the plan again, with further options such as "--targets", "sm89"."""
    parent = _parent(manifest)
    source = path.with_name(Path(parent.name).name) if parent else Path("MODEL.onnx")
    if "--flavour" not in options and manifest.build is not None:
        options = ("--flavour", manifest.build.flavour, *options)
    return shlex.join(["ran-deploy", "build", "--onnx", str(source), "--out", str(path), *options])


def _options_for(gpu: Gpu, build: Build, library: ModuleType) -> tuple[str, ...]:
    """What to add when building again for this GPU; TensorRT-RTX does not build for every one."""
    if build.flavour == "tensorrt":
        return ()
    if f"SM{gpu.capability}" in library.ComputeCapability.__members__:
        return ("--targets", f"sm{gpu.capability}")
    return ("--flavour", "tensorrt")


def _parent(manifest: Manifest) -> Parent | None:
    return next((parent for parent in manifest.parents if parent.role == "onnx"), None)
