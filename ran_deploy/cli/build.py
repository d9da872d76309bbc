"""``ran-deploy build``: from an ONNX file, or a network's name, to a TensorRT plan."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ran_deploy.cli import model_options as given
from ran_deploy.cli.output import JsonFlag, emit, note
from ran_deploy.optional import require
from ran_deploy.progress import duration

EPILOG = """Examples:

ran-deploy build --onnx att92_fp16.onnx

ran-deploy build --arch att92 --precision fp16 --targets sm86,sm89

ran-deploy build --arch att92 --precision int8 --calib-dataset cifar10 --calib-data DIR
"""

_MIB = 1 << 20
_PROFILE = "Batch sizes"


def build_command(
    onnx: given.Onnx = None,
    arch: given.Arch = None,
    dataset: given.ArchDataset = "cifar10",
    precision: Annotated[
        Literal["fp32", "fp16", "int8"] | None,
        typer.Option(help="With --arch (default: fp32).", rich_help_panel="Source"),
    ] = None,
    checkpoint: given.Checkpoint = None,
    random_weights: given.RandomWeights = False,
    option: given.NetworkOption = None,
    samples: given.Samples = None,
    calib_dataset: given.CalibDataset = None,
    calib_data: given.CalibData = None,
    calib_samples: given.CalibSamples = None,
    calibration: given.CalibrationFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", "--saveEngine", help="The plan (default: beside the ONNX file).")
    ] = None,
    flavour: Annotated[
        Literal["auto", "tensorrt", "tensorrt-rtx"],
        typer.Option(help="auto: the full TensorRT where it and a GPU are there, else TensorRT-RTX."),
    ] = "auto",
    targets: Annotated[
        str | None, typer.Option(help="TensorRT-RTX: GPUs such as sm86,sm89 (default: sm80 and later).")
    ] = None,
    min_batch: Annotated[int, typer.Option(help="Smallest batch.", rich_help_panel=_PROFILE)] = 1,
    opt_batch: Annotated[
        int | None, typer.Option(help="Batch to tune for (default: 8).", rich_help_panel=_PROFILE)
    ] = None,
    max_batch: Annotated[int, typer.Option(help="Largest batch.", rich_help_panel=_PROFILE)] = 64,
    optimization_level: Annotated[
        int, typer.Option("--builder-optimization-level", "--builderOptimizationLevel", help="Effort, 0 to 5.")
    ] = 3,
    workspace_mib: Annotated[int | None, typer.Option(help="Most scratch memory, in MiB (default: no limit).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Build a TensorRT plan; its layers' real types are checked against the precision asked for."""
    calibrated = {
        "calib_dataset": calib_dataset,
        "calib_data": calib_data,
        "calib_samples": calib_samples,
        "calibration": calibration,
    }
    network_options = given.network_options(option)
    network = {"precision": precision, "checkpoint": checkpoint, "random_weights": random_weights, "samples": samples}
    given.check_source("ran-deploy build", onnx, arch, **network, **calibrated, option=network_options)
    from ran_deploy.engine.build import BuildOptions, build_engine
    from ran_deploy.engine.profile import make_profile

    options = BuildOptions(
        flavour=flavour,
        profile=make_profile(min_batch, opt_batch, max_batch),
        targets=tuple(target.strip().lower() for target in targets.split(",")) if targets else (),
        optimization_level=optimization_level,
        workspace_bytes=None if workspace_mib is None else workspace_mib * _MIB,
    )
    if onnx is not None:
        result = build_engine(onnx, out=out, options=options)
    else:
        require("torch", "ran-deploy build --arch")
        from ran_deploy.engine.pipeline import build_for_arch
        from ran_deploy.quant.calibration_options import CalibrationOptions

        result = build_for_arch(
            str(arch),
            dataset=dataset,
            precision=precision or "fp32",
            out=out,
            checkpoint=checkpoint,
            random_weights=random_weights,
            network_options=network_options,
            samples=samples,
            calibration=CalibrationOptions(
                dataset=calib_dataset, data=calib_data, samples=calib_samples, file=calibration
            )
            if any(calibrated.values())
            else None,
            options=options,
        )
    manifest = result.manifest
    if result.reused:
        note(f"{result.path} was built from the same inputs already; it is used again")
    elif manifest.precision.kept:
        why = "in float" if manifest.precision.asked == "int8" else "in float32, for their range"
        note(f"left {why}: {', '.join(manifest.precision.kept)}")
    lines = [f"{result.path}  {manifest.size_bytes / 1e6:.1f} MB in {duration(result.elapsed_s)}"]
    if build := manifest.build:
        lines.append(f"built by   {build.flavour} {build.version} for {', '.join(build.targets)}")
        sizes = build.profile
        lines.append(f"batch      {sizes.min_batch} to {sizes.max_batch}, tuned for {sizes.opt_batch}")
    obtained = ", ".join(f"{count} {name}" for name, count in manifest.precision.obtained.items())
    lines.append(f"precision  {manifest.precision.asked} asked for; convolutions and classifier: {obtained}")
    emit(result, "build/v1", as_json=as_json, lines=lines)
