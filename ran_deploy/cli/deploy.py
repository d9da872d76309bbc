"""``ran-deploy deploy``: from a network or an ONNX file to verified engines, a recommendation and a report."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ran_deploy.cli import model_options as given
from ran_deploy.cli.number_list import number_list
from ran_deploy.cli.output import JsonFlag, emit, note, table
from ran_deploy.errors import GateError, UsageError

if TYPE_CHECKING:
    from ran_deploy.deploying.deploy import DeployPlan, DeployRun

EPILOG = """Examples:

ran-deploy deploy --arch att92 --data DIR --out deploy

ran-deploy deploy --arch att92 --data DIR --out deploy --slo-ms 5 --dry-run --explain

ran-deploy deploy --arch att92 --checkpoint mine.safetensors --data DIR --out deploy --profile cpu_avx512

ran-deploy deploy --onnx resnet50.onnx --dataset imagenet --data DIR --calib-data images/ --out deploy
"""

_ONNX, _MAKE, _MEASURE, _INT8 = "Any ONNX file (--onnx)", "What is made", "What is demanded and measured", "INT8"


def deploy_command(
    out: Annotated[Path, typer.Option(help="The folder for every artefact and the report.")],
    arch: Annotated[str | None, typer.Option(help="The network: see `ran-deploy archs`.")] = None,
    onnx: Annotated[Path | None, typer.Option("--onnx", help="Or any classifier's ONNX file, in float32.")] = None,
    checkpoint: given.Checkpoint = None,
    random_weights: given.RandomWeights = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="A dataset of `ran-deploy data`, or folder: val/<class>/* (default: cifar10 with --arch)."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Its folder; without it, accuracy is not measured.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="A deployment profile: a TOML file, or a shipped one such as cpu_avx512.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one on a line.", rich_help_panel=_ONNX)] = None,
    mean: Annotated[str | None, typer.Option(help="Of R,G,B on the scale 0 to 1.", rich_help_panel=_ONNX)] = None,
    std: Annotated[str | None, typer.Option(help="Of R,G,B on the scale 0 to 1.", rich_help_panel=_ONNX)] = None,
    resize: Annotated[
        int | None, typer.Option(help="Shorter side before the centre crop.", rich_help_panel=_ONNX)
    ] = None,
    precisions: Annotated[
        str | None, typer.Option(help="fp32,fp16,int8 (default: all).", rich_help_panel=_MAKE)
    ] = None,
    runtimes: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime, openvino, openvino-bf16, onnxruntime-cuda, onnxruntime-tensorrt, tensorrt, "
            "tensorrt-rtx, by commas (default: what is installed).",
            rich_help_panel=_MAKE,
        ),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="GPUs of TensorRT-RTX plans, such as sm86,sm89.", rich_help_panel=_MAKE)
    ] = None,
    flavour: Annotated[
        Literal["auto", "tensorrt", "tensorrt-rtx"] | None,
        typer.Option(help="The TensorRT that builds.", rich_help_panel=_MAKE),
    ] = None,
    min_batch: Annotated[int | None, typer.Option(help="Smallest batch of plans.", rich_help_panel=_MAKE)] = None,
    opt_batch: Annotated[int | None, typer.Option(help="Batch to tune for.", rich_help_panel=_MAKE)] = None,
    max_batch: Annotated[int | None, typer.Option(help="Largest batch of plans.", rich_help_panel=_MAKE)] = None,
    atol: Annotated[
        float | None, typer.Option(help="Largest difference of a logit to PyTorch.", rich_help_panel=_MAKE)
    ] = None,
    samples: given.Samples = None,
    calib_data: Annotated[
        Path | None, typer.Option(help="Calibration images (default: the training split).", rich_help_panel=_INT8)
    ] = None,
    calib_dataset: Annotated[
        str | None, typer.Option(help="What they are (default: any folder of images).", rich_help_panel=_INT8)
    ] = None,
    calib_samples: Annotated[int | None, typer.Option(help="How many (default: 512).", rich_help_panel=_INT8)] = None,
    calibration: Annotated[
        str | None, typer.Option(help='Instead: a calibration file, or "shipped".', rich_help_panel=_INT8)
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            help="Points of accuracy that may be lost: 0.3, or fp16=0.1,int8=0.5 (the default).",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    slo_ms: Annotated[
        float | None, typer.Option(help="Latency that an engine must hold.", rich_help_panel=_MEASURE)
    ] = None,
    slo_percentile: Annotated[
        float | None, typer.Option(help="Percent of the queries that must hold it.", rich_help_panel=_MEASURE)
    ] = None,
    objective: Annotated[
        Literal["latency", "throughput"] | None,
        typer.Option(help="What decides among those that pass.", rich_help_panel=_MEASURE),
    ] = None,
    scenario: Annotated[
        Literal["sweep", "single-stream", "multi-stream", "server", "offline"] | None,
        typer.Option(help="How engines are measured.", rich_help_panel=_MEASURE),
    ] = None,
    batches: Annotated[
        str | None, typer.Option(help="Batch sizes of the scenario sweep: 1,8,64.", rich_help_panel=_MEASURE)
    ] = None,
    qps: Annotated[
        float | None, typer.Option(help="Arrivals of the server scenario.", rich_help_panel=_MEASURE)
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Least time of each measurement, in seconds.", rich_help_panel=_MEASURE)
    ] = None,
    eval_limit: Annotated[
        int | None, typer.Option(help="Use that many test images only.", rich_help_panel=_MEASURE)
    ] = None,
    layers: Annotated[
        bool | None,
        typer.Option("--layers/--no-layers", help="Whether to time kernels, too.", rich_help_panel=_MEASURE),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of each engine.", rich_help_panel=_MEASURE)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run and what is reused.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each stage why it runs.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Export, prove, quantize, build, measure and recommend, into one folder with a report.

    What is unchanged is not done again: a second run does nothing, and one that was killed goes on where it was. Exit
    code 3: none of the engines that were asked for holds what was demanded.
    """
    from ran_deploy.deploying.deploy import deploy, plan_deploy
    from ran_deploy.deploying.profile_file import merge
    from ran_deploy.deploying.request import DeployRequest

    request = DeployRequest(
        arch=arch,
        checkpoint=checkpoint,
        random_weights=random_weights,
        onnx=onnx,
        dataset=dataset,
        data=data,
        samples=samples,
        labels=labels,
        mean=None if mean is None else number_list("--mean", mean, float, "0.485,0.456,0.406"),
        std=None if std is None else number_list("--std", std, float, "0.229,0.224,0.225"),
        resize=resize,
        calibration=calibration,
        calib_data=calib_data,
        calib_dataset=calib_dataset,
    )
    options, origins = merge(
        profile,
        _given(
            precisions=_words(precisions),
            runtimes=_words(runtimes),
            targets=_words(targets),
            flavour=flavour,
            atol=atol,
            eval_limit=eval_limit,
            layers=layers,
            threads=threads,
            **_batch(min_batch, opt_batch, max_batch),
            **_drops(max_drop),
            **{
                "int8.samples": calib_samples,
                "load.slo_ms": slo_ms,
                "load.slo_percentile": slo_percentile,
                "load.objective": objective,
                "load.scenario": scenario,
                "load.batches": None if batches is None else number_list("--batches", batches, int, "1,64"),
                "load.qps": qps,
                "load.duration_s": duration,
            },
        ),
    )
    if dry_run:
        plan = plan_deploy(out, request, options, origins=origins)
        emit(plan, "deploy-plan/v1", as_json=as_json, lines=_plan_lines(plan, explain=explain))
        return
    from ran_deploy.cli.deploy_view import StageView

    view = StageView(explain=explain)
    try:
        run = deploy(
            out,
            request,
            options,
            origins=origins,
            profile=None if profile is None else profile.name,
            command=shlex.join(["ran-deploy", *sys.argv[1:]]),
            watcher=view,
        )
    finally:
        view.stop()
    emit(run, "deploy/v1", as_json=as_json, lines=_lines(run))
    if run.result.recommendation.variant is None and any(
        variant.status in ("rejected", "failed") for variant in run.result.variants
    ):
        note(f"error: {run.result.recommendation.sentence}")
        raise typer.Exit(GateError.exit_code)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _batch(least: int | None, opt: int | None, most: int | None) -> dict[str, int | None]:
    return {"batch.min_batch": least, "batch.opt_batch": opt, "batch.max_batch": most}


def _drops(text: str | None) -> dict[str, float | None]:
    """Read ``0.3`` or ``fp16=0.1,int8=0.5``."""
    if text is None:
        return {}
    found: dict[str, float | None] = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        try:
            drop = float(value)
        except ValueError as error:
            raise UsageError(f"--max-drop is {text!r}; expected 0.3, or fp16=0.1,int8=0.5.") from error
        if name not in ("", "fp16", "int8"):
            raise UsageError(f"--max-drop names {name!r}; expected fp16 or int8.")
        found |= {f"gates.{precision}": drop for precision in ([name] if name else ["fp16", "int8"])}
    return found


def _plan_lines(plan: "DeployPlan", *, explain: bool) -> list[str]:
    actions = {"run": "would run", "reuse": "is reused", "skip": "is skipped"}
    rows = [(decision.stage, actions[decision.action], decision.why) for decision in plan.decisions]
    lines = table(("stage", "", "why"), rows) if explain else table(("stage", ""), [row[:2] for row in rows])
    chosen = [f"  {name}: {origin}" for name, origin in plan.origins.items() if origin != "default"]
    if chosen:
        lines += ["", "options that are not the defaults, and where they come from", *chosen]
    lines += [f"{runtime} is left out: {reason}" for runtime, reason in plan.absent.items()]
    count = sum(decision.action == "run" for decision in plan.decisions)
    ending = f"{count} of {len(rows)} stages would run" if count else "nothing to do"
    return [*lines, "", f"{ending} in {plan.folder}; nothing was written"]


def _lines(run: "DeployRun") -> list[str]:
    result = run.result
    header = ("engine", "status", "MB", "top-1", "against float32 (95%)", "p50 ms", "p99 ms", "images/s")
    points = {} if result.pareto is None else {point.name: point for point in result.pareto.points}
    rows = []
    for variant in result.variants:
        point, bench = points.get(variant.name), variant.bench
        first = None if bench is None else bench.results[0]
        rows.append(
            (
                variant.name,
                variant.status,
                "–" if variant.engine is None else f"{variant.engine.size_bytes / 1e6:.1f}",
                "–" if variant.accuracy is None else f"{variant.accuracy.top1:.2f}%",
                "–"
                if variant.paired is None
                else f"{variant.paired.difference_points:+.2f} ({variant.paired.difference_ci95[0]:+.2f} to "
                f"{variant.paired.difference_ci95[1]:+.2f})",
                f"{point.latency.p50_ms:.3g}" if point else "–" if first is None else f"{first.p50_ms:.3g}",
                "–" if first is None or first.p99_ms is None else f"{first.p99_ms:.3g}",
                "–" if bench is None else f"{max(entry.images_per_s for entry in bench.results):,.0f}",
            )
        )
    lines = ["", *table(header, rows), ""]
    if not run.ran:
        lines.append("nothing to do: every stage was done before, from the same inputs, options and versions")
    lines += [f"why      {reason}" for reason in result.recommendation.reasons]
    lines.append(f"report   {Path(run.folder) / 'report.html'}")
    lines.append(f"{result.recommendation.sentence} Next: {result.recommendation.next_command}")
    return lines
