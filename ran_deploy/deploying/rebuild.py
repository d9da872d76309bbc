"""``rebuild``: make an engine once more from what its manifest says, and show whether it is the same.

Where nothing has changed since, an ONNX file comes out with the same bytes. Plans never do: TensorRT times its
candidates anew at each build. They are compared by the types of their layers and, where a GPU is at hand, by their
logits.
"""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.deploying.ancestry import find_parent
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.errors import GateError, IncompatibleError, MissingError, UsageError
from ran_deploy.files import require_writable
from ran_deploy.graph.export import export_onnx
from ran_deploy.graph.parity import ParityMetrics
from ran_deploy.graph.verify import verify_engines
from ran_deploy.manifest import Build, Manifest, publish, verified_manifest
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.quantize import quantize_fp16


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """Where what a rebuild needs is to be found."""

    parents: Path | None = None
    """A folder with the files that the engine was made from; they are looked for beside the engine, too."""
    calib_data: Path | None = None
    """The folder with the images of an INT8 calibration that was made on images."""
    samples: Path | None = None
    """A folder of images to compare the two engines on, and FP16's ranges are observed on; None: generated images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the rebuilt engine has otherwise."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildResult:
    """An engine and its rebuilt twin."""

    engine: str
    sha256: str
    rebuilt_sha256: str
    out: str | None
    """Where the rebuilt engine was kept; None: it was thrown away."""
    identical: bool
    """Whether both have the same bytes."""
    differences: tuple[Difference, ...]
    """What the two manifests say otherwise: contract, precision, calibration, profile; nothing for equivalent ones."""
    versions: tuple[Difference, ...]
    """Libraries that are of another version now."""
    metrics: ParityMetrics | None
    """The logits of both on the same images; None where they are identical, or cannot run here."""
    not_run: str | None
    """Why the two were not run; None: they were, or need not be."""
    evidence: str
    """What the verdict rests on, in one sentence."""


def rebuild(engine: Path, *, out: Path | None = None, options: RebuildOptions | None = None) -> RebuildResult:
    """Make an engine again by its manifest, from the same parents with the same options, and compare the two.

    Args:
        engine: An ``.onnx`` or ``.plan`` file of ran-deploy with its manifest.
        out: Keep the rebuilt engine there; None: compare, and keep nothing.
        options: Where parents and images are.

    Raises:
        UsageError: The file has no manifest or is a checkpoint, or a file or the images that it was made from were not
            found.
        IntegrityError: The engine, a parent or an image is damaged.
        MissingError: A package that its making needs is missing.
        GateError: The rebuilt engine is not equivalent; the details say in what. It is not kept.
    """
    chosen = options or RebuildOptions()
    manifest = verified_manifest(engine)
    if manifest is None:
        raise UsageError(f"{engine} has no manifest, which would say how it was made.", fix="Make the engine again.")
    if manifest.kind == "checkpoint":
        raise UsageError(f"{engine} is a checkpoint; training is not repeated.", fix="Give an .onnx or a .plan file.")
    if out is not None:
        if out.resolve() == engine.resolve():
            raise UsageError("The rebuilt engine would replace the one that it is compared with.", fix="Change --out.")
        require_writable(out)
    with tempfile.TemporaryDirectory(prefix="ran-deploy-rebuild-") as folder:
        twin = Path(folder) / engine.name
        made = _make(engine, manifest, twin, chosen)
        result = _compare(engine, manifest, twin, made, chosen.samples)
        if out is not None:
            publish(out, twin.read_bytes(), made)
    return dataclasses.replace(result, out=None if out is None else str(out))


def _make(engine: Path, manifest: Manifest, twin: Path, options: RebuildOptions) -> Manifest:
    if manifest.kind == "plan":
        build = manifest.build
        if build is None:
            raise UsageError(f"The manifest of {engine} does not say how it was built.", fix="Build the plan again.")
        return build_engine(
            find_parent(engine, manifest, "onnx", options.parents),
            out=twin,
            options=BuildOptions(
                flavour=build.flavour,
                profile=build.profile,
                targets=_targets(build),
                optimization_level=build.optimization_level,
            ),
        ).manifest
    if manifest.precision.asked == "fp32":
        return _export(engine, manifest, twin, options)
    parent = find_parent(engine, manifest, "onnx", options.parents)
    if manifest.precision.asked == "fp16":
        return quantize_fp16(parent, out=twin, samples=options.samples).manifest
    return _quantize_int8(engine, manifest, parent, twin, options)


def _targets(build: Build) -> tuple[str, ...]:
    """The targets to ask for: none where the library chose them, of which "and later ones" (sm121+) is the sign."""
    chosen = build.gpu is None and not any(target.endswith("+") for target in build.targets)
    return build.targets if chosen else ()


def _export(engine: Path, manifest: Manifest, twin: Path, options: RebuildOptions) -> Manifest:
    if manifest.arch is None or manifest.dataset is None:
        raise UsageError(f"{engine} was not exported by ran-deploy.", fix="Give an engine that was made from it.")
    trained = manifest.weights == "trained"
    return export_onnx(
        manifest.arch,
        dataset=manifest.dataset,
        checkpoint=find_parent(engine, manifest, "checkpoint", options.parents) if trained else None,
        out=twin,
        input_kind="uint8" if manifest.contract.input.dtype == "uint8" else "float32-nchw",
        samples=options.samples,
        atol=(manifest.parity or {}).get("atol", 1e-4),
        random_weights=not trained,
        options=None if trained else manifest.options,
        with_masks=bool(manifest.contract.masks),
    ).manifest


def _quantize_int8(engine: Path, manifest: Manifest, parent: Path, twin: Path, options: RebuildOptions) -> Manifest:
    made = manifest.calibration or {}
    on_file = made.get("source") == "calibration file"
    if not on_file and options.calib_data is None:
        raise UsageError(
            f"{engine} was calibrated on {made.get('count')} images of {made.get('dataset')}, which are needed again.",
            fix="Give the folder that holds them with --calib-data DIR.",
        )
    calibration = (
        CalibrationOptions(file=find_parent(engine, manifest, "calibration", options.parents), try_on=options.samples)
        if on_file
        else CalibrationOptions(
            dataset=made["dataset"],
            data=options.calib_data,
            samples=made["count"],
            seed=made["seed"],
            method=made["method"],
        )
    )
    return quantize_int8(
        parent,
        calibration,
        high_precision=made["high_precision"],
        keep=frozenset(made["keep"]),
        classifier=made["classifier"],
        reduce_range=made["reduce_range"],
        backend=made["backend"],
        auto=made.get("auto"),
        out=twin,
    ).manifest


def _compare(engine: Path, then: Manifest, twin: Path, now: Manifest, samples: Path | None) -> RebuildResult:
    identical = then.sha256 == now.sha256
    differences = _differences(then, now)
    metrics, not_run = None, None
    if not identical and not differences:
        try:
            metrics = verify_engines(engine, twin, data=samples).metrics
        except (MissingError, IncompatibleError) as error:
            not_run = error.message
        except GateError as error:
            raise GateError(
                f"{engine} and its rebuilt twin answer otherwise: {error.message}",
                fix="Find out what changed: the versions in the details, or the images of --samples.",
                details={**error.details, "versions": dict(_versions(then, now))},
            ) from error
    if differences:
        first = differences[0]
        raise GateError(
            f"{engine} comes out otherwise when it is made again: {first.what} was {first.then}, is {first.now}.",
            fix="See the details (--json) for all that differs, versions of libraries included.",
            details={
                "differences": [dataclasses.asdict(entry) for entry in differences],
                "versions": dict(_versions(then, now)),
            },
        )
    return RebuildResult(
        engine=str(engine),
        sha256=then.sha256,
        rebuilt_sha256=now.sha256,
        out=None,
        identical=identical,
        differences=differences,
        versions=tuple(Difference(what=name, then=old, now=new) for name, (old, new) in _versions(then, now)),
        metrics=metrics,
        not_run=not_run,
        evidence=_evidence(then, identical=identical, metrics=metrics),
    )


def _differences(then: Manifest, now: Manifest) -> tuple[Difference, ...]:
    """Compare all of the two manifests that says what the engine is, not when and on what it was tried."""
    old_build, new_build = then.build, now.build
    if old_build is not None and new_build is not None:  # another version may build an equivalent engine
        new_build = dataclasses.replace(new_build, version=old_build.version, gpu=old_build.gpu)
    pairs = (
        ("the contract", then.contract, now.contract),
        ("the types of the layers", then.precision.obtained, now.precision.obtained),
        ("the nodes kept in float", then.precision.kept, now.precision.kept),
        ("the calibration", then.calibration, now.calibration),
        ("the build", old_build, new_build),
    )
    return tuple(Difference(what=what, then=str(old), now=str(new)) for what, old, new in pairs if old != new)


def _versions(then: Manifest, now: Manifest) -> list[tuple[str, tuple[str, str]]]:
    names = sorted(then.versions.keys() | now.versions.keys())
    found = ((name, (then.versions.get(name, "none"), now.versions.get(name, "none"))) for name in names)
    return [(name, pair) for name, pair in found if pair[0] != pair[1]]


def _evidence(manifest: Manifest, *, identical: bool, metrics: ParityMetrics | None) -> str:
    if identical:
        return "the rebuilt file has the same bytes"
    if metrics is not None:
        return (
            f"on {metrics.images} images the logits differ by at most {metrics.max_abs:.3g} and "
            f"{100 * metrics.top1_agreement:.2f}% of the classes agree"
        )
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.obtained.items()))
    return f"the same parent, profile and targets gave the same types of layers ({types}); the plans were not run"
