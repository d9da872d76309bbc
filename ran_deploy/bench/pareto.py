"""``pareto``: the accuracy, size and speed of a network's files in each runtime, and which of them are pointless."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.bench.domination import RULE
from ran_deploy.bench.environment import Environment, read_environment
from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.bench.interleave import SETTLE_MS, Rounds, measure_in_rounds
from ran_deploy.bench.pareto_plot import plot_pareto
from ran_deploy.bench.pareto_points import Entry, Judged, int8_remarks, make_points
from ran_deploy.bench.pareto_result import ParetoOptions, ParetoResult, Plane
from ran_deploy.data.dataset import Dataset, Split
from ran_deploy.data.open import open_dataset
from ran_deploy.errors import MissingError, UsageError
from ran_deploy.figures import check_figure
from ran_deploy.progress import Progress
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.evaluate import Tally, sample_count, spread_indices
from ran_deploy.runtime.open import Runtime, open_engine


def pareto(
    engines: Sequence[Path],
    *,
    dataset: str,
    data: Path | None = None,
    split: Split = "test",
    limit: int | None = None,
    batch: int = 64,
    runtimes: Sequence[Runtime] = ("onnxruntime", "openvino"),
    rounds: int = 10,
    duration_s: float = 3.0,
    tolerance_points: float = 0.1,
    threads: int | None = None,
    trust: bool = False,
    plot: Path | None = None,
) -> ParetoResult:
    """Measure a network's files in each runtime that is here, and mark those that another dominates.

    Each file is opened once in each runtime; the same session gives accuracy and speed. All are open at once, which
    takes memory, and are measured in turn, so that drift of the machine hits all alike.

    Args:
        engines: Files of one network, the one to compare with first, such as float32, FP16, INT8 by each method.
        dataset: Name of the dataset.
        data: Its folder; "synthetic" needs none.
        split: "test" or "train".
        limit: Use only that many images for the accuracy, spread evenly over the split.
        batch: Batch size of the throughput; latency is measured at batch 1.
        runtimes: Where to run each ``.onnx`` file; other files run in their own runtime.
        rounds: How often each engine has its turn at each batch size.
        duration_s: Least timed time of each engine at each batch size, over all rounds, in seconds.
        tolerance_points: Percentage points that count as equally accurate.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open engines without a manifest.
        plot: Draw the result into this ``.svg``, ``.png`` or ``.pdf`` file.

    Raises:
        UsageError: A file or the data are missing or do not fit each other, or an option is out of range.
        IntegrityError: A file is damaged.
        IncompatibleError: A file does not run in a runtime.
        MissingError: None of the runtimes is installed, or what a file that is not ``.onnx`` needs.
        GateError: An engine returned logits that are not finite.
    """
    options = ParetoOptions(
        batch=batch,
        runtimes=tuple(runtimes),
        rounds=rounds,
        duration_s=duration_s,
        tolerance_points=tolerance_points,
    )
    paths = _checked(engines, limit, plot)
    images = open_dataset(dataset, data, split)
    environment = read_environment()
    with contextlib.ExitStack() as stack:
        entries, absent = _open_all(stack, paths, options.runtimes, threads=threads, trust=trust)
        judged = judge(entries, images, batch, limit)
        return weigh(entries, judged, options, absent=absent, environment=environment, plot=plot)


def weigh(
    entries: list[Entry],
    judged: list[Judged],
    options: ParetoOptions,
    *,
    absent: dict[str, str],
    environment: Environment,
    plot: Path | None = None,
) -> ParetoResult:
    """Measure the speed of opened engines whose answers are known, and mark those that another dominates.

    Args:
        entries: The engines, open; the one to compare with first.
        judged: What each answered on the same images.
        options: What to measure; ``runtimes`` only names what was asked for.
        absent: Runtimes that were asked for and are not here, with the reason.
        environment: As it was before the measurement.
        plot: Draw the result into this ``.svg``, ``.png`` or ``.pdf`` file.
    """
    planes: dict[Plane, list[Rounds]] = {
        "latency": _measure(entries, 1, options),
        "throughput": _measure(entries, options.batch, options),
    }
    points = make_points(entries, judged, planes, options.tolerance_points)
    first, accuracy = entries[0].session.contract.input, judged[0].accuracy
    result = ParetoResult(
        dataset=accuracy.dataset,
        split=accuracy.split,
        samples=accuracy.samples,
        points=points,
        absent=absent,
        remarks=tuple(int8_remarks(points)),
        rule=RULE.format(tolerance=options.tolerance_points),
        boundary=f"host: one synchronous run() call, {first.dtype} batch in, float32 logits out",
        order=f"{options.rounds} rounds at each batch size, in each of which every point has one turn",
        plot=None if plot is None else str(plot),
        options=options,
        environment=environment,
    )
    if plot is not None:
        plot_pareto(result, plot)
    return result


def _checked(engines: Sequence[Path], limit: int | None, plot: Path | None) -> list[Path]:
    paths = [Path(engine) for engine in engines]
    if not paths or len({path.resolve() for path in paths}) != len(paths):
        raise UsageError(f"{len(paths)} engines are given; expected one or more, none of them twice.")
    check_positive("--limit", limit)
    if plot is not None:
        check_figure(plot, "The plot of accuracy against speed")
    return paths


def _open_all(
    stack: contextlib.ExitStack, paths: list[Path], runtimes: tuple[str, ...], *, threads: int | None, trust: bool
) -> tuple[list[Entry], dict[str, str]]:
    entries: list[Entry] = []
    absent: dict[str, str] = {}
    alike = len({path.stem for path in paths}) < len(paths)  # then only the whole path tells them apart
    for path in paths:
        for runtime in runtimes if path.suffix == ".onnx" else ("auto",):
            if runtime in absent:
                continue
            try:
                session = open_engine(path, threads=threads, trust=trust, runtime=runtime)  # type: ignore[arg-type]
            except MissingError as error:
                if runtime == "auto":
                    raise
                absent[runtime] = error.message
                continue
            stack.enter_context(session)
            where = session.info.runtime if runtime == "auto" else runtime
            entries.append(Entry(f"{path if alike else path.stem}, {where}", path, where, session))
    if not entries:
        raise MissingError(
            f"None of the runtimes is on this machine: {' '.join(absent.values())}",
            fix="Run: pip install 'ran-deploy[cpu,openvino]'",
        )
    return entries, absent


def judge(
    entries: list[Entry], images: Dataset, batch: int, limit: int | None, *, what: str = "pareto, accuracy"
) -> list[Judged]:
    """Run opened engines over the same images, read once, with progress on stderr.

    Args:
        entries: The engines.
        images: Labelled images.
        batch: How many images to run at once.
        limit: Use only that many, spread evenly over them.
        what: What the progress is called.

    Raises:
        UsageError: The dataset's classes or image size are not an engine's, or it is empty.
        GateError: An engine returned logits that are not finite.
    """
    tallies = [Tally(entry.session, images) for entry in entries]
    with Progress(what, sample_count(images, limit), "images") as progress:
        for indices in spread_indices(images, batch, limit):
            pixels = images.batch(indices)
            for tally in tallies:
                tally.add(pixels, indices)
            progress.advance(len(indices))
    return [Judged(tally.result(), tally.correct, tally.classes) for tally in tallies]


def _measure(entries: list[Entry], batch: int, options: ParetoOptions) -> list[Rounds]:
    fed = []
    for entry in entries:
        contract = entry.session.contract
        pool, _ = make_pool(contract, (batch,), None)  # seeded: the same pixels for all
        fed.append((entry.session, make_buffers(contract, pool, batch)))
    with Progress(f"pareto, batch {batch}", options.rounds * len(entries), "turns") as progress:
        return measure_in_rounds(
            fed,
            rounds=options.rounds,
            turn_s=options.duration_s / options.rounds,
            settle_ms=SETTLE_MS,
            after_turn=lambda: progress.advance(1),
        )
