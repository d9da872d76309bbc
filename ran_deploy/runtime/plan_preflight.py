"""What must hold before a TensorRT plan may be deserialized: a plan that fails here is refused with the reason.

A plan is executable code for one library version and some GPUs; a library that is given another one answers
with None or worse. So the hash is checked first, then package, version, GPU and targets.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ran_deploy.errors import IncompatibleError, IntegrityError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest, Parent
from ran_deploy.optional import require
from ran_deploy.runtime.gpu import Gpu, require_gpu
from ran_deploy.runtime.plan_header import HEADER_BYTES, read_header

_MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_OLDEST_FULL = 8
"""Major versions of the full TensorRT that are in use; TensorRT-RTX counts from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What built a plan, and for which GPUs."""

    flavour: str
    version: str
    targets: tuple[str, ...] | None
    """Compute capabilities such as "sm89", the last perhaps "sm120+"; None: not known."""

    def __str__(self) -> str:
        where = f" for {', '.join(self.targets)}" if self.targets else ""
        return f"{self.flavour} {self.version}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What will run a plan that passed."""

    flavour: str
    library: ModuleType
    gpu: Gpu


def check_plan(path: Path, manifest: Manifest | None) -> Approval:
    """Check that this machine can run a plan.

    Args:
        path: The plan, whose hash has been verified if there is a manifest.
        manifest: The manifest beside it; None: on trust, and what the plan's header says is taken as a hint.

    Raises:
        IntegrityError: The manifest does not say what built the plan, or the file is no plan.
        MissingError: The library or an NVIDIA GPU is missing.
        IncompatibleError: The plan was built by another version, or for other GPUs.
    """
    origin = _hinted(path) if manifest is None else _described(path, manifest)
    library = require(_MODULES[origin.flavour], f"Running {path.name}, which {origin.flavour} built,")
    if _numbers(library.__version__) != _numbers(origin.version):
        raise IncompatibleError(
            f"{path} was built by {origin}; here is {origin.flavour} {library.__version__}.",
            fix=f"Run: {rebuild_command(path, manifest, '--flavour', origin.flavour)}",
        )
    parent = None if manifest is None else onnx_parent(path, manifest)
    instead = f"For the CPU, use --engine {parent}" if parent else "Use the .onnx file that it was built from."
    gpu = require_gpu(f"Running {path.name}", fix=instead)
    if origin.targets is not None and not fits_targets(origin.targets, gpu.capability):
        raise IncompatibleError(
            f"{path} was built by {origin}; here is {gpu.name}, sm{gpu.capability}.",
            fix=f"Run: {rebuild_command(path, manifest, *_options_for(gpu, origin, library))}",
        )
    return Approval(flavour=origin.flavour, library=library, gpu=gpu)


def fits_targets(targets: tuple[str, ...], capability: int) -> bool:
    """Whether a plan's targets, such as ("sm80", "sm120+"), cover a compute capability such as 89.

    Raises:
        IntegrityError: A target is not written like that.
    """
    for target in targets:
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


def rebuild_command(path: Path, manifest: Manifest | None, *options: str) -> str:
    """Return the command that builds the plan again, with options such as "--targets", "sm89"."""
    parent = None if manifest is None else _parent(manifest)
    source = path.with_name(Path(parent.name).name) if parent else Path("MODEL.onnx")
    return shlex.join(["ran-deploy", "build", "--onnx", str(source), "--out", str(path), *options])


def _described(path: Path, manifest: Manifest) -> Origin:
    build = manifest.build
    if build is None:
        raise IntegrityError(f"The manifest of {path} does not say what built it.", fix="Build the plan again.")
    return Origin(flavour=build.flavour, version=build.version, targets=build.targets)


def _hinted(path: Path) -> Origin:
    with path.open("rb") as stream:
        header = read_header(stream.read(HEADER_BYTES), str(path))
    full = _numbers(header.version)[0] >= _OLDEST_FULL
    targets = None if full else header.targets or None
    return Origin(flavour="tensorrt" if full else "tensorrt-rtx", version=header.version, targets=targets)


def _numbers(version: str) -> tuple[int, ...]:
    """The four numbers of a version, which a suffix such as ".post1" may follow."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:4])


def _options_for(gpu: Gpu, origin: Origin, library: ModuleType) -> tuple[str, ...]:
    """How to build again for this GPU; TensorRT-RTX does not build for every one."""
    if origin.flavour == "tensorrt":
        return ("--flavour", "tensorrt")
    if f"SM{gpu.capability}" in library.ComputeCapability.__members__:
        return ("--flavour", "tensorrt-rtx", "--targets", f"sm{gpu.capability}")
    return ("--flavour", "tensorrt")


def _parent(manifest: Manifest) -> Parent | None:
    return next((parent for parent in manifest.parents if parent.role == "onnx"), None)
