"""Making an engine once more, from what its manifest says: the stages that made it, with the options that they had."""

from dataclasses import dataclass
from pathlib import Path

from ran_deploy.deploying.ancestry import find_parent
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.errors import UsageError
from ran_deploy.graph.export import export_onnx
from ran_deploy.manifest import Build, Manifest
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


def remake(engine: Path, manifest: Manifest, twin: Path, options: RebuildOptions) -> Manifest:
    """Make an engine from the same parents with the same options, write it to ``twin`` and return its manifest.

    Args:
        engine: The file that ``manifest`` describes; parents are looked for beside it.
        manifest: Of an ONNX file or of a plan.
        twin: Where to write.
        options: Where parents and images are.

    Raises:
        UsageError: A file or the images that it was made from were not found, or the manifest does not say how.
        RanDeployError: As the stage that makes it says.
    """
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
