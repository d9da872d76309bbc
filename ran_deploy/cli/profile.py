"""``ran-deploy profile``: where the time of one run of an engine goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ran_deploy.cli.engine_options import Threads, Trust
from ran_deploy.cli.output import JsonFlag, emit, note, table

if TYPE_CHECKING:
    from ran_deploy.profiling.result import Cost, KernelCost, ProfileResult

EPILOG = """Examples:

ran-deploy profile --engine att92.onnx --batch 1

ran-deploy profile --engine att92.onnx --runtime openvino --by node --plot att92_profile.png --trace att92_trace.json
"""
_WORK = ("ms", "of run()", "M MACs", "MB", "GFLOP/s", "FLOP/B", "of roofline")
_LONGEST = 48


def profile_command(
    engine: Annotated[
        Path, typer.Option("--engine", "--loadEngine", help="The engine: a .safetensors, .onnx or .plan file.")
    ],
    batch: Annotated[int, typer.Option(help="Images at once.")] = 8,
    iterations: Annotated[int, typer.Option(help="Runs to time kernel by kernel, and as many as a whole.")] = 50,
    by: Annotated[Literal["part", "type", "node"], typer.Option(help="What to list; --json holds all three.")] = "part",
    top: Annotated[int, typer.Option(min=1, help="How many of the slowest to list; the rest is summed up.")] = 25,
    plot: Annotated[Path | None, typer.Option(help="Draw parts and roofline: a .svg, .png or .pdf file.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write one run for Perfetto or chrome://tracing into this .json file.")
    ] = None,
    threads: Threads = None,
    trust: Trust = False,
    runtime: Annotated[
        Literal["auto", "onnxruntime", "openvino", "openvino-bf16"],
        typer.Option(help="What runs an .onnx file, on the CPU; auto: onnxruntime."),
    ] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Time an engine kernel by kernel: parts of the network, their work, their distance from the roofline."""
    from ran_deploy.profiling.profile import profile

    result = profile(
        engine,
        batch=batch,
        iterations=iterations,
        threads=threads,
        trust=trust,
        runtime=runtime,
        plot=plot,
        trace=trace,
    )
    emit(result, "profile/v1", as_json=as_json, lines=_report(result, by, top))
    for remark in result.remarks:
        note(f"warning: {remark}")


def _report(result: "ProfileResult", by: str, top: int) -> list[str]:
    session, roof = result.session, result.roofline
    threads = f"{session.threads} thread{'s' if session.threads > 1 else ''}"
    lines = [
        f"{result.engine}  batch {result.batch}, {session.runtime}, {session.provider}, {session.precision}, {threads}",
        f"machine   {result.environment.cpu}, {result.environment.cpus} CPUs",
        f"method    {result.method}; {result.options.iterations} runs, in turn with as many plain ones",
    ]
    if roof is not None:
        speeds = (f"{level.gbytes_per_s:.1f} GB/s at {_mb(level.working_set_bytes)} MB" for level in roof.bandwidths)
        lines.append(f"roofline  {roof.gflops:.0f} GFLOP/s, {', '.join(speeds)}; measured here, float32, {threads}")
    lines += ["", *_table(result, by, top)]
    for name, path in (("plot", result.plot), ("trace", result.trace)):
        if path:
            lines.append(f"{name:<9} {path}")
    return lines


def _table(result: "ProfileResult", by: str, top: int) -> list[str]:
    from ran_deploy.profiling.fold import group_cost

    groups = {"part": result.parts, "type": result.types, "node": ()}[by]
    if by == "node":
        header: tuple[str, ...] = ("node, and how many are fused", "type", "part")
        rows = [(_short(kernel), kernel.op, kernel.part, *_work(kernel)) for kernel in result.kernels[:top]]
        hidden = result.kernels[top:]
    else:
        header = (by, "kernels")
        rows = [(group.name, str(group.kernels), *_work(group)) for group in groups[:top]]
        names = {group.name for group in groups[top:]}
        hidden = tuple(kernel for kernel in result.kernels if (kernel.part if by == "part" else kernel.op) in names)
    blank = ("",) * (len(header) - 1)
    if hidden:
        rest = group_cost(f"({len(hidden)} more kernels)", hidden, run_us=result.run_us, branches=False)
        rows.append((rest.name, *blank, *_work(rest)))
    rows.append((result.total.name, *blank, *_work(result.total)))
    for name, us in (("runtime overhead", result.overhead_us), ("run()", result.run_us)):
        rows.append((name, *blank, _ms(us), f"{100 * us / result.run_us:.1f}%", *("",) * (len(_WORK) - 2)))
    return table((*header, *_WORK), rows)


def _work(cost: "Cost") -> tuple[str, ...]:
    return (
        _ms(cost.us),
        f"{100 * cost.share:.1f}%",
        f"{cost.macs / 1e6:,.1f}" if cost.macs else "–",
        _mb(cost.moved_bytes) if cost.moved_bytes else "–",
        f"{cost.gflops:.1f}" if cost.gflops is not None else "–",
        f"{cost.intensity:.1f}" if cost.intensity else "–",
        f"{100 * cost.roofline:.0f}%" if cost.roofline is not None else "–",
    )


def _ms(us: float) -> str:
    return f"{us / 1000:.3f}"


def _mb(count: int) -> str:
    return f"{count / 1e6:,.2f}"


def _short(kernel: "KernelCost") -> str:
    """Name a kernel after its main node, which tells more than what runtimes call it."""
    name = kernel.nodes[0] if kernel.nodes else kernel.name
    more = f" +{len(kernel.nodes) - 1}" if len(kernel.nodes) > 1 else ""
    return (name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…") + more
