"""Everything that was found, put together into one result."""

from ran_deploy.bench.activity import Activity
from ran_deploy.bench.bootstrap import RULE
from ran_deploy.bench.environment import Environment
from ran_deploy.bench.options import MEANINGS, BenchOptions
from ran_deploy.bench.request import Measured, Request
from ran_deploy.bench.result import BenchResult, ProcessStart
from ran_deploy.bench.statistics import PERCENTILE_RULE
from ran_deploy.bench.summary import summarize_all
from ran_deploy.manifest import Manifest


def assemble(
    request: Request,
    measured: list[Measured],
    *,
    manifest: Manifest | None,
    environment: Environment,
    activity: Activity,
    created: str,
) -> BenchResult:
    """Return the result, still without the comparison with a parent, the notes and the command.

    Args:
        request: What was asked for.
        measured: What each process found.
        manifest: That of the engine that ran.
        environment: As it was before.
        activity: What happened meanwhile.
        created: When it began, ISO 8601.
    """
    options, first = request.options, measured[0]
    peaks = [one.peak_rss_bytes for one in measured if one.peak_rss_bytes is not None]
    return BenchResult(
        engine=first.session.engine,
        scenario=f"{options.scenario}: {MEANINGS[options.scenario]}",
        session=first.session,
        boundary=first.boundaries[options.boundaries[0]],
        boundaries=first.boundaries,
        inputs=first.inputs,
        percentile_rule=PERCENTILE_RULE,
        interval_rule=f"mean, throughput and the bootstrap of p99: {RULE}; percentiles: 95%, from order statistics",
        stop_rule=_stop_rule(options, first),
        load_s=first.session.load_s,
        first_inference_ms=first.first_inference_ms,
        starts=tuple(
            ProcessStart(
                load_s=one.session.load_s,
                first_inference_ms=one.first_inference_ms,
                peak_rss_bytes=one.peak_rss_bytes,
            )
            for one in measured
        ),
        results=summarize_all(measured, options),
        search=first.search,
        against_parent=None,
        notes=(),
        peak_rss_bytes=max(peaks, default=None),
        options=options,
        environment=environment,
        activity=activity,
        lineage=() if manifest is None else manifest.parents,
        precision_asked="unknown" if manifest is None else manifest.precision.asked,
        created=created,
        command="",
    )


def _stop_rule(options: BenchOptions, measured: Measured) -> str:
    if measured.search is not None:
        return measured.search.rule
    if options.scenario == "server":
        return f"a schedule of at least {options.iterations} queries and {options.duration_s:g} s, drawn beforehand"
    return options.stop_rule.text
