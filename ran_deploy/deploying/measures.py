"""The stages that measure engines: accuracy, latency under load, time by layer, and the Pareto front."""

import contextlib
from pathlib import Path

from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.options import DEFAULT_BATCHES
from ran_deploy.bench.pareto import judge, weigh
from ran_deploy.bench.pareto_points import Entry
from ran_deploy.bench.pareto_result import ParetoOptions
from ran_deploy.deploying.answers import read_answers, write_answers
from ran_deploy.deploying.context import Context, command, opened_in
from ran_deploy.deploying.data import digest_of
from ran_deploy.deploying.models import Done
from ran_deploy.deploying.stage import Outcome, Stage
from ran_deploy.errors import MissingError
from ran_deploy.json_files import write_json
from ran_deploy.manifest import DYNAMIC
from ran_deploy.optional import require
from ran_deploy.profiling.profile import profile
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.open_onnx import CPU_RUNTIMES

_BATCH = 64
"""Images at once where only the answers count."""
_PROFILED_BATCH = 8
_PROFILED_RUNS = 20
_LEAST_BATCH = 2


def accuracy_stage(context: Context, precision: str, runtime: str, parent: str) -> Stage:
    """Run the test images through one engine, and keep its answer to each."""
    engine, out = context.engine(precision, runtime), place(context, "accuracy", precision, runtime)
    limit, threads = context.options.eval_limit, context.options.threads

    def run(_: Done) -> Outcome:
        with open_engine(engine, runtime=opened_in(runtime), threads=threads) as session:
            entry = Entry(variant_name(context, precision, runtime), engine, runtime, session)
            (judged,) = judge([entry], context.images, _BATCH, limit, what="accuracy")
        write_answers(out, judged)
        found = judged.accuracy
        low, high = found.top1_ci95
        return Outcome(
            paths=(out,),
            summary=f"{found.top1:.2f}% top-1 (95% interval {low:.2f} to {high:.2f}) on {found.samples:,} images",
        )

    return Stage(
        name=f"accuracy-{precision}-{runtime}",
        kind="accuracy",
        parents=(parent,),
        inputs=context.base_inputs(
            dataset=str(context.dataset),
            images=digest_of(context.images),
            eval_limit="all" if limit is None else str(limit),
            **context.runtimes.versions(runtime),
            cpu=context.machine["cpu"],  # whose instructions INT8's sums depend on
        ),
        run=run,
        command=command(
            *("eval", "--engine", engine, "--dataset", context.dataset, "--data", context.request.data),
            *("--limit", limit, "--runtime", _chosen(runtime), "--threads", threads),
        ),
        skip=context.runtimes.not_run.get(runtime, ""),
    )


def bench_stage(context: Context, precision: str, runtime: str, parent: str) -> Stage:
    """Measure one engine's latency and throughput in the scenario asked for."""
    engine, out = context.engine(precision, runtime), place(context, "bench", precision, runtime)
    load, threads = context.options.load, context.options.threads
    searches = load.scenario == "server" and load.qps is None

    def run(_: Done) -> Outcome:
        result = benchmark(
            engine,
            scenario=load.scenario,
            boundary=load.boundary,
            batches=batches_of(context),
            duration_s=load.duration_s,
            qps=load.qps,
            slo_ms=load.slo_ms if searches else None,
            find_max_qps=searches,
            against_parent=False,  # the Pareto stage measures all engines in turn
            images=context.request.samples,
            threads=threads,
            runtime=opened_in(runtime),
            csv=out.with_suffix(".csv"),
        )
        write_json(out, result, indent=1)
        first = result.results[0]
        tail = "" if first.p99_ms is None else f", p99 {first.p99_ms:.3g} ms"
        return Outcome(
            paths=(out, out.with_suffix(".csv")),
            summary=f"p50 {first.p50_ms:.3g} ms{tail} at batch {first.batch}; "
            f"{max(entry.images_per_s for entry in result.results):,.0f} images/s at best",
        )

    return Stage(
        name=f"bench-{precision}-{runtime}",
        kind="bench",
        parents=(parent,),
        inputs=context.base_inputs(
            scenario=load.scenario,
            boundary=load.boundary,
            batches=",".join(map(str, batches_of(context) or ())) or "the scenario's",
            duration_s=f"{load.duration_s:g}",
            qps=f"{load.qps}",
            searched_slo_ms=f"{load.slo_ms}" if searches else "none",
            threads=str(threads),
            **context.runtimes.versions(runtime),
            **context.machine,
        ),
        run=run,
        command=command(
            *("bench", "--engine", engine, "--scenario", load.scenario, "--batch", batches_of(context)),
            *("--boundary", None if load.boundary == "engine" else load.boundary, "--duration", load.duration_s),
            *("--qps", load.qps, "--slo-ms", load.slo_ms if searches else None, "--find-max-qps", searches),
            *("--runtime", _chosen(runtime), "--threads", threads, "--no-parent", True),
        ),
        skip=context.runtimes.not_run.get(runtime, ""),
    )


def profile_stage(context: Context, precision: str, runtime: str, parent: str) -> Stage:
    """Time one engine kernel by kernel."""
    engine, out = context.engine(precision, runtime), place(context, "profile", precision, runtime)
    fixed, threads = context.contract.input.shape[0], context.options.threads
    batch = _PROFILED_BATCH if fixed == DYNAMIC else fixed

    def run(_: Done) -> Outcome:
        result = profile(
            engine,
            batch=batch,
            iterations=_PROFILED_RUNS,
            threads=threads,
            runtime=opened_in(runtime),  # type: ignore[arg-type]  # only those that can be profiled have this stage
        )
        write_json(out, result, indent=1)
        top = result.parts[0]
        return Outcome(paths=(out,), summary=f"{100 * top.share:.0f}% of a run in {top.name}, at batch {batch}")

    return Stage(
        name=f"profile-{precision}-{runtime}",
        kind="profile",
        parents=(parent,),
        inputs=context.base_inputs(
            batch=str(batch), threads=str(threads), **context.runtimes.versions(runtime), **context.machine
        ),
        run=run,
        command=command(
            *("profile", "--engine", engine, "--batch", batch, "--iterations", _PROFILED_RUNS),
            *("--runtime", _chosen(runtime), "--threads", threads),
        ),
        skip=context.runtimes.not_run.get(runtime, ""),
    )


def pareto_stage(context: Context, variants: list[tuple[str, str]]) -> Stage:
    """Measure all engines whose answers are known in turn, and find the front.

    Args:
        context: The deployment.
        variants: Precision and runtime of each; the reference first, which must be there.
    """
    out, load = context.folder / "pareto.json", context.options.load
    batch = max((*(batches_of(context) or DEFAULT_BATCHES["offline"]), _LEAST_BATCH))
    fixed = context.contract.input.shape[0]
    accuracies = {f"accuracy-{precision}-{runtime}": (precision, runtime) for precision, runtime in variants}
    reference, *others = accuracies

    def run(done: Done) -> Outcome:
        known = [accuracies[name] for name in accuracies if done[name].status == "done"]
        plot = _plot(context)
        options = ParetoOptions(
            batch=batch,
            runtimes=tuple(dict.fromkeys(runtime for _, runtime in known if runtime in CPU_RUNTIMES)),
            rounds=load.rounds,
            duration_s=load.duration_s,
        )
        environment = read_environment()
        with contextlib.ExitStack() as stack:
            entries = [_entry(context, stack, precision, runtime) for precision, runtime in known]
            judged = [read_answers(place(context, "accuracy", *pair)).judged for pair in known]
            result = weigh(entries, judged, options, absent=context.runtimes.absent, environment=environment, plot=plot)
        write_json(out, result, indent=1)
        front = sum(not point.latency.dominated_by for point in result.points)
        return Outcome(
            paths=(out,) if plot is None else (out, plot),
            summary=f"{front} of {len(result.points)} engines on the front of accuracy and latency",
        )

    return Stage(
        name="pareto",
        kind="pareto",
        parents=(reference,),
        optional_parents=tuple(others),
        inputs=context.base_inputs(
            batch=str(batch),
            duration_s=f"{load.duration_s:g}",
            rounds=str(load.rounds),
            threads=str(context.options.threads),
            **context.machine,
        ),
        run=run,
        command=command(
            "pareto",
            *(word for path in dict.fromkeys(context.engine(*pair) for pair in variants) for word in (path, True)),
            *("--dataset", context.dataset, "--data", context.request.data, "--limit", context.options.eval_limit),
            *("--batch", batch, "--rounds", load.rounds, "--duration", load.duration_s),
        ),
        skip="" if fixed == DYNAMIC else f"it compares batch 1 with batch {batch}, and the model's batch is {fixed}",
    )


def variant_name(context: Context, precision: str, runtime: str) -> str:
    """Return what a precision in a runtime is called, as in a Pareto result."""
    return f"{context.engine(precision, runtime).stem}, {runtime}"


def place(context: Context, kind: str, precision: str, runtime: str) -> Path:
    """Return the file of a measurement."""
    return context.folder / kind / f"{context.engine(precision, runtime).stem}.{runtime}.json"


def batches_of(context: Context) -> tuple[int, ...] | None:
    """Return the batch sizes to measure; None: the scenario's own."""
    load, fixed = context.options.load, context.contract.input.shape[0]
    if fixed != DYNAMIC:
        return (fixed,)
    return load.batches if load.scenario == "sweep" else None


def _entry(context: Context, stack: contextlib.ExitStack, precision: str, runtime: str) -> Entry:
    path = context.engine(precision, runtime)
    session = open_engine(path, runtime=opened_in(runtime), threads=context.options.threads)
    stack.enter_context(session)
    return Entry(variant_name(context, precision, runtime), path, runtime, session)


def _plot(context: Context) -> Path | None:
    try:
        require("matplotlib", "The plot of the Pareto front")
    except MissingError:
        return None
    return context.folder / "pareto.svg"


def _chosen(runtime: str) -> str | None:
    name = opened_in(runtime)
    return None if name == "auto" else name
