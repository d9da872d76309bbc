"""``profile``: where the time of one run of an engine goes, kernel by kernel and part by part."""

from pathlib import Path

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.errors import UsageError
from ran_deploy.figures import check_figure
from ran_deploy.files import require_output
from ran_deploy.profiling.choose import ProfiledRuntime, choose_profiler, find_graph
from ran_deploy.profiling.fold import cost_kernels, fold, group_cost
from ran_deploy.profiling.graph import Graph
from ran_deploy.profiling.measure import Measured, measure
from ran_deploy.profiling.result import ProfileOptions, ProfileResult
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX
from ran_deploy.runtime.open import open_engine

_DISTURBED = 1.3
"""From this ratio of the median to the fastest run on, the medians say more of the machine than of the engine."""


def profile(
    engine: Path | str,
    *,
    batch: int = 8,
    iterations: int = 50,
    threads: int | None = None,
    trust: bool = False,
    runtime: ProfiledRuntime = "auto",
    plot: Path | None = None,
    trace: Path | None = None,
) -> ProfileResult:
    """Time an engine kernel by kernel, and say which parts of the network the time goes to.

    Plain runs, timed as a whole, and runs under the runtime's profiler take turns in five rounds. What the kernels do
    not account for of the plain run is the runtime's overhead.

    Args:
        engine: A checkpoint, which runs in eager PyTorch, an ``.onnx`` file or a plan.
        batch: Images at once.
        iterations: Runs to time kernel by kernel, and as many as a whole.
        threads: CPU threads; None: as the runtime thinks best.
        trust: Open an engine without a manifest.
        runtime: What runs an ``.onnx`` file, on the CPU: "auto" (ONNX Runtime), "onnxruntime", "openvino" or
            "openvino-bf16".
        plot: Draw the parts' times and the roofline into this .svg, .png or .pdf file.
        trace: Write one run in the trace event format, which Perfetto and Chrome open, into this .json file.

    Raises:
        UsageError: The engine is missing or of another kind, an option is out of range, or an output cannot be written.
        IntegrityError: The engine is damaged.
        IncompatibleError: The engine was built for another library, version or GPU.
        MissingError: A package or a GPU is missing.
    """
    path = Path(engine)
    options = ProfileOptions(batch=batch, iterations=iterations)
    _check(path, plot, trace)
    environment = read_environment()
    with open_engine(path, threads=threads, trust=trust, runtime=runtime) as session:
        profiler = choose_profiler(path, session, runtime)
        pool, fed = make_pool(session.contract, (batch,), None)
        buffers = make_buffers(session.contract, pool, batch)
        graph = find_graph(path, session.manifest, profiler, buffers)
        measured = measure(session, profiler, buffers, iterations=iterations)
        info = session.info
    costs = cost_kernels(measured.median, graph, run_us=measured.run_us, roofline=measured.roofline)
    total = group_cost("all kernels", costs, run_us=measured.run_us, branches=False)
    result = ProfileResult(
        engine=info.engine,
        session=info,
        batch=batch,
        inputs=f"{fed}, in rotating batches",
        method=profiler.method,
        run_us=measured.run_us,
        fastest_run_us=measured.fastest_run_us,
        overhead_us=measured.run_us - total.us,
        total=total,
        parts=fold(costs, lambda kernel: kernel.part, run_us=measured.run_us, branches=True),
        types=fold(costs, lambda kernel: kernel.op, run_us=measured.run_us, branches=False),
        kernels=tuple(sorted(costs, key=lambda kernel: kernel.us, reverse=True)),
        roofline=measured.roofline,
        remarks=remarks(graph, measured, kernels_us=total.us),
        plot=str(plot) if plot else None,
        trace=str(trace) if trace else None,
        options=options,
        environment=environment,
    )
    if plot is not None:
        from ran_deploy.profiling.plot import plot_profile

        plot_profile(result, plot)
    if trace is not None:
        from ran_deploy.profiling.trace import write_trace

        write_trace(result, measured.typical, costs, trace)
    return result


def _check(path: Path, plot: Path | None, trace: Path | None) -> None:
    """Refuse what would fail after the measurement."""
    if path.suffix == ARCHIVE_SUFFIX:
        raise UsageError(
            f"{path} is an archive; profiles are made of checkpoints, .onnx files and plans.",
            fix="Give the engine that it was packaged from, or take it out: an archive is a ZIP file.",
        )
    if plot is not None:
        check_figure(plot, "The plot of the profile")
    if trace is not None:
        require_output(trace, ".json")


def remarks(graph: Graph | None, measured: Measured, *, kernels_us: float) -> tuple[str, ...]:
    """Say what limits the numbers."""
    found = []
    if graph is None:
        found.append("the ONNX graph is unknown, so the work of the kernels is not counted")
    elif graph.unsized:
        found.append(f"{len(graph.unsized)} nodes have unknown shapes, so their work is not counted")
    if measured.roofline is not None and measured.run_us > _DISTURBED * measured.fastest_run_us:
        found.append(
            f"run() took {measured.run_us / 1000:.2f} ms in the median and {measured.fastest_run_us / 1000:.2f} ms at "
            "best: other programs used the CPUs, and part of the runtime overhead is their time"
        )
    if kernels_us > measured.run_us:
        found.append(
            f"the kernels took {kernels_us / 1000:.2f} ms with the profiler on, a whole run() without it "
            f"{measured.run_us / 1000:.2f} ms: the kernels' times are too large, their order and shares may still "
            "hold; repeat it on a quieter machine or with more --iterations"
        )
    return tuple(found)
