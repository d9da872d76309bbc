"""``deploy``: from a network or an ONNX file to verified engines, a recommendation and a report, in one folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.deploying.assemble import assemble
from ran_deploy.deploying.context import Context
from ran_deploy.deploying.folder import check_folder, held, read_record
from ran_deploy.deploying.options import DeployOptions
from ran_deploy.deploying.plan import make_context, make_stages
from ran_deploy.deploying.report import write_report
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.deploying.result import REPORT_JSON, DeployResult, StageRecord, read_result
from ran_deploy.deploying.runner import Watcher, preview, run_stages
from ran_deploy.deploying.stage import Decision, Outcome, Stage
from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRun:
    """A deployment's result, and what had to be done for it this time."""

    folder: str
    ran: tuple[str, ...]
    """Stages that ran now; none: there was nothing to do."""
    result: DeployResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What a deployment would do."""

    folder: str
    options: DeployOptions
    origins: dict[str, str]
    """Where each option comes from: "command line", "profile FILE" or "default"."""
    absent: dict[str, str]
    """Runtimes that are not here, with the reason."""
    decisions: tuple[Decision, ...]
    """In the order of the stages."""


def deploy(
    out: Path,
    request: DeployRequest,
    options: DeployOptions | None = None,
    *,
    origins: Mapping[str, str] | None = None,
    profile: str | None = None,
    command: str = "",
    watcher: Watcher | None = None,
) -> DeployRun:
    """Make every engine that was asked for, prove and measure it, and recommend one.

    Each stage is keyed by what determines it, and is not done again while that and its artefacts are unchanged; a
    run that was killed goes on after the last whole stage. A variant that a gate rejects, or that cannot be made,
    is recorded with the reason, and the others go on.

    Args:
        out: The folder: absent, empty, or an earlier deployment's of the same model.
        request: What is deployed, and the images that it is proven with.
        options: What is made and measured; None: the defaults.
        origins: Where each option came from, for the report.
        profile: File name of the deployment profile, for the report.
        command: The command that repeats the deployment, for the report.
        watcher: Is told of each stage as it begins and ends.

    Raises:
        UsageError: The request or the options are wrong, or another process is at work in the folder.
        IntegrityError: The source, its data or a file in the folder is damaged.
        GateError: The exported model does not answer as PyTorch does.
        MissingError: A package or a GPU is missing that was asked for by name.
    """
    check_folder(out)
    context = make_context(out, request, options or DeployOptions())
    stages = make_stages(context)

    def report(done: Mapping[str, StageRecord]) -> Outcome:
        result = assemble(context, done, origins=origins or {}, profile=profile, command=command)
        return Outcome(paths=(out / REPORT_JSON, write_report(result, out)), summary=str(out))

    with held(out):
        _check_same_model(context)
        _, ran = run_stages(out, [*stages, _report_stage(context, stages, report)], watcher)
        result = read_result(out / REPORT_JSON)
    return DeployRun(folder=str(out), ran=tuple(ran), result=result)


def plan_deploy(
    out: Path,
    request: DeployRequest,
    options: DeployOptions | None = None,
    *,
    origins: Mapping[str, str] | None = None,
) -> DeployPlan:
    """Say what :func:`deploy` would do and why, without doing it or writing anything.

    Raises:
        UsageError: The request or the options are wrong, or the folder holds something else.
        IntegrityError: The source or its data are damaged.
        MissingError: A package or a GPU is missing that was asked for by name.
    """
    check_folder(out)
    context = make_context(out, request, options or DeployOptions())
    _check_same_model(context)
    stages = make_stages(context)

    def never(_: Mapping[str, StageRecord]) -> Outcome:
        raise AssertionError("a plan runs nothing")

    return DeployPlan(
        folder=str(out),
        options=context.options,
        origins=dict(origins or {}),
        absent=context.runtimes.absent,
        decisions=preview(out, [*stages, _report_stage(context, stages, never)]),
    )


def _report_stage(context: Context, stages: list[Stage], run: Callable[[Mapping[str, StageRecord]], Outcome]) -> Stage:
    """The last stage, which depends on all others and on what is demanded of them."""
    options = context.options
    slo = "none" if options.load.slo_ms is None else f"{options.load.slo_ms:g} ms at p{options.load.slo_percentile:g}"
    return Stage(
        name="report",
        kind="report",
        parents=(context.source,),
        optional_parents=tuple(stage.name for stage in stages[1:]),
        inputs=context.base_inputs(
            precisions=",".join(options.precisions),
            runtimes=",".join(context.runtimes.chosen),
            max_drop_fp16=f"{options.gates.fp16:g}",
            max_drop_int8=f"{options.gates.int8:g}",
            slo=slo,
            objective=options.load.objective,
        ),
        run=run,
    )


def _check_same_model(context: Context) -> None:
    """Refuse a folder that holds the deployment of another model, whose files would lie among the new ones."""
    record = read_record(context.folder, "export") or read_record(context.folder, "import")
    if record is None or not record.artefacts:
        return
    theirs, mine = record.artefacts[0].name, context.model("fp32").name
    if theirs != mine:
        raise UsageError(
            f"{context.folder} holds the deployment of {Path(theirs).stem}; {Path(mine).stem} was asked for.",
            fix="Choose another --out.",
        )
