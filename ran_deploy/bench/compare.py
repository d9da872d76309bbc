"""``compare``: two engines measured in turn, or two results of ``bench``, and what may be said of the difference."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ran_deploy.bench.boundary import describe
from ran_deploy.bench.compare_files import compare_results
from ran_deploy.bench.compare_interval import TimeRatio, paired_ratio
from ran_deploy.bench.compare_result import BatchComparison, CompareOptions, CompareResult, Metric
from ran_deploy.bench.compare_sides import describe_side, relation, remarks
from ran_deploy.bench.compare_verdict import DEFAULT_MARGIN, RULE, judge, percent, regressed
from ran_deploy.bench.environment import Environment, read_environment
from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.bench.interleave import SETTLE_MS, Rounds, measure_in_rounds
from ran_deploy.errors import UsageError
from ran_deploy.progress import Progress
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session

_SCENARIO = "interleaved"
_BOUNDARY = "engine"
_RESULTS = ".json"


def compare(
    a: Path | str,
    b: Path | str,
    *,
    batches: tuple[int, ...] | None = None,
    rounds: int = 40,
    max_rounds: int | None = None,
    duration_s: float = 8.0,
    settle_ms: int = SETTLE_MS,
    margin: float = DEFAULT_MARGIN,
    metric: Metric = "latency",
    fail_on_regression: float | None = None,
    images: Path | None = None,
    runtime_a: Runtime = "auto",
    runtime_b: Runtime = "auto",
    threads: int | None = None,
    trust: bool = False,
    cuda_backend: Literal["cuda-python", "pycuda"] = "cuda-python",
) -> CompareResult:
    """Compare two engines in one interleaved run, A B B A …, and judge the ratio of their times.

    Two results of ``ran-deploy bench --processes N --json`` are compared as they are; what is said below about
    measuring has then no meaning.

    Args:
        a: The engine to compare with, such as the one in use, or its ``.json`` result.
        b: The candidate, or its result.
        batches: Batch sizes, each compared on its own; None: 1 and 64, or all that both results have.
        rounds: How often each engine has its turn at each batch size.
        max_rounds: While the verdict is AMBIGUOUS the rounds are doubled, up to this number; None: twice at most.
        duration_s: Least time to measure each engine at each batch size, over so many ``rounds``, in seconds.
        settle_ms: Least untimed time before each turn, in milliseconds.
        margin: Largest relative difference of time that counts as none, such as 0.03.
        metric: What the verdict is about: "latency" (the median), or "throughput" (all of the time).
        fail_on_regression: Mark as regressed a batch size at which B is surely slower by more than this share.
        images: A folder of real images to feed; None: seeded random pixels.
        runtime_a: What runs A if it is an ``.onnx`` file, see :func:`ran_deploy.open_engine`.
        runtime_b: What runs B.
        threads: CPU threads of both; None: as the runtime thinks best.
        trust: Open engines without a manifest.
        cuda_backend: What drives the GPU for a plan: "cuda-python" or "pycuda".

    Returns:
        Verdicts and intervals; a regression is in ``regressions`` and raises nothing.

    Raises:
        UsageError: A file or the images are missing, an option is out of range, or two results cannot be compared.
        IntegrityError: An engine, a result or an image is damaged.
        IncompatibleError: An engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
    """
    options = CompareOptions(
        batches=batches or (1, 64),
        rounds=rounds,
        max_rounds=max_rounds,
        duration_s=duration_s,
        settle_ms=settle_ms,
        margin=margin,
        metric=metric,
        fail_on_regression=fail_on_regression,
    )
    a, b = Path(a), Path(b)
    if _RESULTS in (a.suffix, b.suffix):
        if a.suffix != b.suffix:
            raise UsageError(
                f"{a} and {b} are a result file and an engine; both must be of one kind.",
                fix="Give two engines, or two results of ran-deploy bench --json.",
            )
        return compare_results(a, b, options, batches)
    environment = read_environment()
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(
                open_engine(path, threads=threads, trust=trust, runtime=runtime, cuda_backend=cuda_backend)
            )
            for path, runtime in ((a, runtime_a), (b, runtime_b))
        )
        with Progress("compare", 2 * rounds * len(options.batches), "turns") as progress:
            comparisons, fed = compare_sessions(
                first, second, options, images=images, after_turn=lambda: progress.advance(1)
            )
        sides = describe_side(first), describe_side(second)
        found = (*remarks(first, second), *_busy(environment))
    return CompareResult(
        a=sides[0],
        b=sides[1],
        relation=relation(*sides),
        comparisons=comparisons,
        regressions=tuple(entry.batch for entry in comparisons if entry.regressed),
        rule=RULE.format(margin=percent(margin)),
        order=f"{_counted(options)} rounds in turn, A B B A …; {settle_ms} ms untimed before each turn",
        inputs=f"{fed}, in rotating batches",
        remarks=found,
        options=options,
        environment=environment,
    )


def compare_sessions(
    a: Session,
    b: Session,
    options: CompareOptions,
    *,
    images: Path | None = None,
    after_turn: Callable[[], None] = lambda: None,
) -> tuple[tuple[BatchComparison, ...], str]:
    """Compare two opened sessions at each batch size.

    Args:
        a: The session to compare with.
        b: The candidate.
        options: How to measure and to judge.
        images: A folder of real images to feed; None: seeded random pixels.
        after_turn: Called after each turn, for progress.

    Returns:
        The comparisons, and a sentence about what was fed.

    Raises:
        UsageError: The images are missing, or an engine does not take a batch size.
        IntegrityError: An image is damaged.
    """
    pools = [make_pool(session.contract, options.batches, images) for session in (a, b)]
    found = []
    for batch in options.batches:
        engines = [
            (session, make_buffers(session.contract, pool, batch))
            for session, (pool, _) in zip((a, b), pools, strict=True)
        ]
        measured = measure_in_rounds(
            engines,
            rounds=options.rounds,
            turn_s=options.duration_s / options.rounds,
            settle_ms=options.settle_ms,
            alternate=True,
            after_turn=after_turn,
            more=lambda so_far: _more(so_far, options),
        )
        found.append(_compare_rounds(measured[0], measured[1], options, describe(_BOUNDARY, a.contract)))
    return tuple(found), pools[0][1]


def _busy(environment: Environment) -> tuple[str, ...]:
    load, cpus = environment.load_average_1min, environment.cpus
    if load is None or load <= cpus / 2:
        return ()
    return (f"the machine was busy before the measurement (load {load:.1f} on {cpus} CPUs)",)


def _counted(options: CompareOptions) -> str:
    looks = options.looks
    if len(looks) == 1:
        return str(options.rounds)
    return f"{looks[0]} to {looks[-1]} (until decided; the interval holds for all {len(looks)} looks together)"


def _more(so_far: list[Rounds], options: CompareOptions) -> int:
    """Return how many rounds are to follow: none once the verdict is clear, or the last look was taken."""
    done = len(so_far[0].round_p50_ms)
    later = [look for look in options.looks if look > done]
    verdict = _compare_rounds(so_far[0], so_far[1], options, "").verdict
    return later[0] - done if later and verdict.name == "AMBIGUOUS" else 0


def _compare_rounds(a: Rounds, b: Rounds, options: CompareOptions, boundary: str) -> BatchComparison:
    looks = len(options.looks)
    latency = paired_ratio(b.round_p50_ms, a.round_p50_ms, looks=looks)
    seconds = [[1 / speed for speed in side.round_images_per_s] for side in (a, b)]
    time_per_image = paired_ratio(seconds[1], seconds[0], looks=looks)
    chosen: TimeRatio = latency if options.metric == "latency" else time_per_image
    limit = options.fail_on_regression
    return BatchComparison(
        batch=a.batch,
        scenario=_SCENARIO,
        boundary=boundary,
        a=a,
        b=b,
        latency=latency,
        time_per_image=time_per_image,
        verdict=judge(chosen, rounds=len(a.round_p50_ms), margin=options.margin),
        regressed=limit is not None and regressed(chosen, limit),
    )
