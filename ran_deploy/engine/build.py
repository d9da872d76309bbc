"""From an ONNX file to a TensorRT plan: one code path for both flavours, over the API that they share.

The precision is in the graph and the network is strongly typed: no precision flag is ever set. The plan is
the builder's bytes and nothing else; what it is stands in the manifest beside it.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from ran_deploy import __version__
from ran_deploy.engine.builder import build_plan
from ran_deploy.engine.flavour import Flavour, load_flavour
from ran_deploy.engine.layers import parse_layers
from ran_deploy.engine.precision import check_obtained, obtained_types
from ran_deploy.engine.profile import make_profile
from ran_deploy.engine.targets import check_targets
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import require_output
from ran_deploy.manifest import BatchProfile, Build, Manifest, Parent, publish, reusable, stage_key
from ran_deploy.quant.compute import compute_operators
from ran_deploy.quant.source import source_manifest
from ran_deploy.runtime.plan_header import read_header

_LEVELS = range(6)
_RTX_DEFAULT_TARGETS = ("sm80", "sm86", "sm89", "sm120+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How a plan is built."""

    flavour: str = "auto"
    """"tensorrt", "tensorrt-rtx" or "auto": see :func:`ran_deploy.engine.flavour.load_flavour`."""
    profile: BatchProfile = field(default_factory=make_profile)
    """Batch sizes; by default 1 to 64, tuned for 8."""
    targets: tuple[str, ...] = ()
    """Compute capabilities such as "sm89", TensorRT-RTX only; empty: the library's default."""
    optimization_level: int = 3
    """The builder's effort, 0 to 5."""
    workspace_bytes: int | None = None
    """Most scratch memory that the engine may use; None: no limit."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UsageError: A value is out of range.
        """
        make_profile(self.profile.min_batch, self.profile.opt_batch, self.profile.max_batch)
        if self.optimization_level not in _LEVELS:
            raise UsageError(f"The builder's optimization level is {self.optimization_level}; expected 0 to 5.")
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise UsageError(f"The workspace is {self.workspace_bytes} bytes; expected at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A plan and what it is."""

    path: Path
    manifest: Manifest
    layers: int
    """Layers of the engine; 0 where an unchanged plan was reused."""
    reused: bool
    """Whether the plan was there already, made from the same inputs."""
    elapsed_s: float


def build_engine(onnx_path: Path, *, out: Path | None = None, options: BuildOptions | None = None) -> BuildResult:
    """Build a TensorRT plan and prove its precision.

    Args:
        onnx_path: A ``.onnx`` file of ran-deploy, with its manifest beside it.
        out: The plan's path; None: beside the ONNX file, with the suffix ``.plan``.
        options: How to build; None: the defaults.

    Raises:
        UsageError: The ONNX file has no manifest or has masks, ``out`` is no ``.plan`` file, or the parser,
            the builder or the library refuses it.
        IntegrityError: The ONNX file is not the one that its manifest describes.
        MissingError: The library, or the GPU that the full TensorRT needs, is missing.
        GateError: The engine does not compute in the precision asked for; no plan is written.
    """
    started_s = time.monotonic()
    chosen = options or BuildOptions()
    source = source_manifest(onnx_path)
    if source.contract.masks:
        raise UsageError(
            f"{onnx_path} has attention masks among its outputs, which a plan does not carry.",
            fix="Export the network without --with-masks for the plan, and use the .onnx file to look at the masks.",
        )
    path = onnx_path.with_suffix(".plan") if out is None else out
    require_output(path, ".plan")
    library = load_flavour(chosen.flavour)
    chosen = replace(chosen, targets=check_targets(library, chosen.targets))
    described = _describe(onnx_path, source, library, chosen)
    if (manifest := reusable(path, described.key)) is not None:
        elapsed_s = time.monotonic() - started_s
        return BuildResult(path=path, manifest=manifest, layers=0, reused=True, elapsed_s=elapsed_s)
    built = build_plan(
        onnx_path,
        source.contract,
        library,
        profile=chosen.profile,
        targets=chosen.targets,
        optimization_level=chosen.optimization_level,
        workspace_bytes=chosen.workspace_bytes,
    )
    layers = parse_layers(built.messages)
    nodes = obtained_types(compute_operators(onnx.load_from_string(built.model)), layers)
    obtained = check_obtained(source.precision, nodes)
    build = Build(
        flavour=library.name,
        version=library.version,
        targets=_targets_of(library, built.plan, chosen.targets),
        gpu=library.gpu.name if library.gpu else None,
        profile=chosen.profile,
        optimization_level=chosen.optimization_level,
    )
    manifest = publish(
        path,
        built.plan,
        replace(described, precision=replace(source.precision, obtained=obtained), build=build),
    )
    elapsed_s = time.monotonic() - started_s
    return BuildResult(path=path, manifest=manifest, layers=len(layers), reused=False, elapsed_s=elapsed_s)


def _describe(onnx_path: Path, source: Manifest, library: Flavour, options: BuildOptions) -> Manifest:
    """The plan's manifest as far as it is known before the build, above all its key."""
    used = {"ran-deploy": __version__, library.name: library.version}
    inputs = {
        "onnx": source.sha256,
        "precision": replace(source.precision, obtained={}),
        "options": replace(options, flavour=library.name),
        "gpu": library.gpu,
    }
    return replace(
        source,
        kind="plan",
        parents=(Parent(role="onnx", name=onnx_path.name, sha256=source.sha256),),
        key=stage_key("build", inputs, used),
        parity=None,
        accuracy=None,
        versions=used,
        command="",
    )


def _targets_of(library: Flavour, plan: bytes, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The GPUs that the plan runs on: the GPU at hand, the targets chosen, or those in the plan's header."""
    if library.gpu is not None:
        return (f"sm{library.gpu.capability}",)
    try:
        return chosen or read_header(plan).targets or _RTX_DEFAULT_TARGETS
    except IntegrityError:  # the header is undocumented and may change
        return _RTX_DEFAULT_TARGETS
