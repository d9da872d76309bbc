"""The stages that make model files: export or import, FP16, INT8, plans."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ran_deploy.deploying.context import Context, command
from ran_deploy.deploying.data import digest_of, digest_of_folder
from ran_deploy.deploying.foreign import Foreign, publish_foreign, to_facts
from ran_deploy.deploying.options import PrecisionName
from ran_deploy.deploying.result import StageRecord
from ran_deploy.deploying.stage import Outcome, Stage
from ran_deploy.engine.build import BuildOptions, build_engine
from ran_deploy.files import sha256_file
from ran_deploy.manifest import Manifest
from ran_deploy.optional import require, versions
from ran_deploy.quant.calibration import SHIPPED, require_shipped
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.quantize import quantize_fp16
from ran_deploy.quant.subset import DEFAULT_SAMPLES, open_calibration_data
from ran_deploy.resources import shipped_weights

Done = Mapping[str, StageRecord]


def export_stage(context: Context) -> Stage:
    """Export a network, with parity against PyTorch, or no file.

    Raises:
        UsageError: The network is unknown, or has no weights.
        MissingError: torch is not installed.
    """
    require("torch", "ran-deploy deploy --arch")
    from ran_deploy.arch.registry import find_entry
    from ran_deploy.graph.export import export_onnx
    from ran_deploy.graph.source import load_source

    request, options = context.request, context.options
    arch, dataset, out = str(request.arch), str(context.dataset), context.model("fp32")
    find_entry(arch, dataset)
    weights = request.checkpoint or (None if request.random_weights else shipped_weights(arch, dataset))
    if weights is None and not request.random_weights:
        load_source(arch, dataset, checkpoint=None, random_weights=False, options=None)  # raises, with the fix

    def run(_: Done) -> Outcome:
        result = export_onnx(
            arch,
            dataset=dataset,
            checkpoint=request.checkpoint,
            out=out,
            samples=request.samples,
            atol=options.atol,
            random_weights=request.random_weights,
            options=request.network_options,
        )
        parity = result.parity
        agreement = f"max abs {parity['max_abs']:.2g} against PyTorch on {parity['images']} images"
        return Outcome(paths=(out,), summary=f"{_file(result.manifest, out)}, {agreement}")

    return Stage(
        name="export",
        kind="export",
        inputs=context.base_inputs(
            arch=arch,
            dataset=dataset,
            weights="random" if weights is None else sha256_file(weights),
            **{f"option {name}": str(value) for name, value in request.network_options.items()},
            atol=f"{options.atol:g}",
            samples=_samples(request.samples),
            **versions("torch", "onnx", "onnxscript", "onnxruntime"),
        ),
        run=run,
        command=command(
            *("export", "--arch", arch, "--dataset", dataset, "--checkpoint", request.checkpoint),
            *("--random-weights", request.random_weights, "--samples", request.samples),
            *("--atol", None if options.atol == 1e-4 else options.atol, "--out", out),
        ),
    )


def import_stage(context: Context, foreign: Foreign) -> Stage:
    """Take an ONNX file in, in a form that the other stages work on, and with a manifest."""
    out = context.model("fp32")

    def run(_: Done) -> Outcome:
        manifest = publish_foreign(foreign, out)
        parity: Mapping[str, Any] = manifest.parity or {}
        changes = f"; {', '.join(parity['changes'])}" if parity.get("changes") else ""
        return Outcome(
            paths=(out,), summary=f"{_file(manifest, out)}, {len(manifest.contract.labels)} classes{changes}"
        )

    return Stage(
        name="import",
        kind="import",
        inputs=context.base_inputs(
            source=foreign.sha256, **to_facts(context.request), **versions("onnx", "onnxruntime")
        ),
        run=run,
    )


def fp16_stage(context: Context, source: str) -> Stage:
    """Convert to float16, with agreement with float32, or no file."""
    onnx, samples = context.model("fp32"), context.request.samples

    def run(_: Done) -> Outcome:
        result = quantize_fp16(onnx, out=context.model("fp16"), samples=samples)
        return Outcome(paths=(result.path,), summary=_converted(result.manifest, result.path))

    return Stage(
        name="fp16",
        kind="fp16",
        parents=(source,),
        inputs=context.base_inputs(samples=_samples(samples), **versions("onnx", "onnxruntime")),
        run=run,
        command=command(
            "quantize", "--onnx", onnx, "--precision", "fp16", "--samples", samples, "--out", context.model("fp16")
        ),
    )


def int8_stage(context: Context, source: str) -> Stage:
    """Calibrate on real images and quantize, with agreement with float32, or no file.

    Raises:
        UsageError: There are no real images and no calibration file.
        IntegrityError: The images are damaged.
    """
    how, onnx, out = context.options.int8, context.model("fp32"), context.model("int8")
    calibration = context.request.calibrated_by(how.samples, how.method)

    def run(_: Done) -> Outcome:
        result = quantize_int8(
            onnx, calibration, high_precision=how.high_precision, reduce_range=how.reduce_range, out=out
        )
        return Outcome(paths=(out,), summary=_converted(result.manifest, out))

    return Stage(
        name="int8",
        kind="int8",
        parents=(source,),
        inputs=context.base_inputs(
            calibration=_calibration_digest(context, calibration),
            calib_samples=str(calibration.samples or DEFAULT_SAMPLES) if calibration.file is None else "of the file",
            method=calibration.method or "default",
            high_precision=how.high_precision,
            reduce_range=str(how.reduce_range),
            samples=_samples(calibration.try_on),
            **versions("onnx", "onnxruntime"),
        ),
        run=run,
        command=command(
            *("quantize", "--onnx", onnx, "--precision", "int8", "--calibration", calibration.file),
            *("--calib-dataset", calibration.dataset, "--calib-data", calibration.data),
            *("--calib-samples", calibration.samples, "--method", calibration.method),
            *("--samples", calibration.try_on),
            *("--high-precision", None if how.high_precision == "fp32" else how.high_precision),
            *("--reduce-range", how.reduce_range, "--out", out),
        ),
    )


def build_stage(context: Context, precision: PrecisionName, source: str) -> Stage:
    """Build a plan, whose layers' types are those asked for, or no file."""
    options, flavour = context.options, context.runtimes.flavour
    if flavour is None:
        raise ValueError("no runtime of this deployment takes plans")
    onnx, out = context.model(precision), context.engine(precision, flavour.name)
    build = BuildOptions(
        flavour=flavour.name,
        profile=options.batch,
        targets=options.targets,
        optimization_level=options.optimization_level,
    )

    def run(_: Done) -> Outcome:
        result = build_engine(onnx, out=out, options=build)
        made = result.manifest.build
        where = f" for {', '.join(made.targets)}" if made is not None else ""
        types = ", ".join(f"{count} {name}" for name, count in result.manifest.precision.obtained.items())
        return Outcome(paths=(out,), summary=f"{_file(result.manifest, out)}{where}; layers {types}")

    batch = options.batch
    return Stage(
        name=f"build-{precision}",
        kind="build",
        parents=(source if precision == "fp32" else precision,),
        inputs=context.base_inputs(
            **{flavour.name: flavour.version},
            gpu="none" if flavour.gpu is None else flavour.gpu.name,
            targets=",".join(options.targets) or "the library's default",
            min_batch=str(batch.min_batch),
            opt_batch=str(batch.opt_batch),
            max_batch=str(batch.max_batch),
            optimization_level=str(options.optimization_level),
        ),
        run=run,
        command=command(
            *("build", "--onnx", onnx, "--flavour", flavour.name, "--targets", options.targets),
            *("--min-batch", batch.min_batch, "--opt-batch", batch.opt_batch, "--max-batch", batch.max_batch),
            *("--builder-optimization-level", options.optimization_level, "--out", out),
        ),
    )


def _calibration_digest(context: Context, calibration: CalibrationOptions) -> str:
    if calibration.file is not None:
        request = context.request
        shipped = calibration.file == SHIPPED
        path = require_shipped(request.arch, context.dataset) if shipped else Path(calibration.file)
        return sha256_file(path)
    name = str(calibration.dataset)
    if name == "folder":
        return digest_of_folder(Path(str(calibration.data)))
    return digest_of(open_calibration_data(name, calibration.data, context.contract))


def _samples(samples: Path | None) -> str:
    return "generated" if samples is None else digest_of_folder(samples)


def _converted(manifest: Manifest, path: Path) -> str:
    parity: Mapping[str, Any] = manifest.parity or {}
    agreement = f"{100 * parity['top1_agreement']:.1f}% of the answers as float32, SQNR {parity['sqnr_db']:.0f} dB"
    count = len(manifest.precision.kept)
    kept = f"; {count} node{'s' if count > 1 else ''} kept in float" if count else ""
    return f"{_file(manifest, path)}, {agreement}{kept}"


def _file(manifest: Manifest, path: Path) -> str:
    return f"{path.name} {manifest.size_bytes / 1e6:.1f} MB"
