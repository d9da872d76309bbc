"""The picture of a profile: the time of each part of the network, and its kernels under the machine's roofline."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ran_deploy.figures import save_figure
from ran_deploy.profiling.places import Branch
from ran_deploy.profiling.result import KernelCost, ProfileResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which colour-blind people tell apart.
_COLOURS: dict[Branch, str] = {
    "units": "#0072B2",
    "trunk": "#009E73",
    "mask": "#D55E00",
    "fusion": "#CC79A7",
    "ends": "#56B4E9",
    "reorder": "#666666",
    "other": "#BBBBBB",
}
_LABELS: dict[Branch, str] = {
    "units": "residual units",
    "trunk": "trunk",
    "mask": "mask",
    "fusion": "product and sum of both",
    "ends": "input, stem, tail, head",
    "reorder": "reorders of the layout",
    "other": "other",
}
_OVERHEAD = "#FFFFFF"
_MOST_BARS = 40


def plot_profile(result: ProfileResult, path: Path) -> None:
    """Draw a profile into an SVG, PNG or PDF file: the parts by time, and without a GPU the roofline beside them.

    Raises:
        UsageError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # without pyplot: no global state, no display
    from matplotlib.patches import Patch

    bars = min(len(result.parts), _MOST_BARS) + 1
    with_roofline = result.roofline is not None
    figure = Figure(figsize=(13.5 if with_roofline else 8, max(4.6, 1.9 + 0.26 * bars)), layout="constrained")
    panels = figure.subplots(1, 2 if with_roofline else 1, squeeze=False, width_ratios=(1, 1.05)[: 1 + with_roofline])
    _draw_parts(panels[0][0], result)
    if with_roofline:
        _draw_roofline(panels[0][1], result)
    used = {part.branch for part in result.parts}
    figure.legend(
        handles=[Patch(color=colour, label=_LABELS[branch]) for branch, colour in _COLOURS.items() if branch in used],
        loc="outside lower center",
        ncols=7,
        frameon=False,
        fontsize=9,
    )
    session = result.session
    figure.suptitle(
        f"{Path(result.engine).name}, batch {result.batch}: {result.run_us / 1000:.2f} ms "
        f"({session.runtime}, {_threads(session.threads)}, {result.environment.cpu})",
        fontsize=12,
        fontweight="bold",
    )
    save_figure(figure, path, dpi=150)


def _draw_parts(axes: "Axes", result: ProfileResult) -> None:
    parts = result.parts[:_MOST_BARS]
    names = [*(part.name for part in parts), "runtime overhead"]
    times_ms = [*(part.us / 1000 for part in parts), result.overhead_us / 1000]
    widths = [max(0.0, ms) for ms in times_ms]
    colours = [*(_COLOURS[part.branch or "other"] for part in parts), _OVERHEAD]
    shares = [*(part.share for part in parts), result.overhead_us / result.run_us]
    bars = axes.barh(range(len(names)), widths, color=colours, edgecolor=[*colours[:-1], "#444444"], height=0.74)
    bars.patches[-1].set_hatch("////")
    for place, (ms, share) in enumerate(zip(times_ms, shares, strict=True)):
        axes.annotate(f" {ms:.2f} ms, {100 * share:.1f}%", (widths[place], place), va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.28 * max(widths))
    axes.set_xlabel("median time in ms, share of run()")
    axes.set_title("time by part of the network", fontsize=11)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_roofline(axes: "Axes", result: ProfileResult) -> None:
    roofline = result.roofline
    assert roofline is not None  # noqa: S101
    shown = [kernel for kernel in result.kernels if kernel.gflops and kernel.intensity]
    rest = 1 - sum(kernel.us for kernel in shown) / result.total.us
    edges = [roofline.gflops / roofline.bandwidths[-1].gbytes_per_s, *(kernel.intensity or 1.0 for kernel in shown)]
    intensity = np.geomspace(min(edges) / 2, max(edges) * 2, 200)
    for level, style in zip(reversed(roofline.bandwidths), ("-", "--", ":"), strict=True):
        roof = np.minimum(intensity * level.gbytes_per_s, roofline.gflops)
        label = f"{level.gbytes_per_s:.0f} GB/s with {level.working_set_bytes / 1e6:.1f} MB"
        axes.plot(intensity, roof, style, color="black", lw=1.3, label=label)
    axes.annotate(
        f"{roofline.gflops:.0f} GFLOP/s", (intensity[-1], roofline.gflops), ha="right", va="bottom", fontsize=9
    )
    for branch, colour in _COLOURS.items():
        _scatter(axes, [kernel for kernel in shown if kernel.branch == branch], colour, result.total.us)
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s (a multiply-add is two)")
    axes.set_title(f"kernels under this machine's roofline (float32, {_threads(roofline.threads)})", fontsize=11)
    axes.set_ylim(top=2 * roofline.gflops)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.text(
        0.02,
        0.98,
        f"area: time; not shown: kernels without multiply-adds, {100 * rest:.0f}% of the time",
        transform=axes.transAxes,
        va="top",
        fontsize=8,
        color="#444444",
    )
    axes.grid(alpha=0.25, which="both", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _scatter(axes: "Axes", kernels: list[KernelCost], colour: str, total_us: float) -> None:
    axes.scatter(
        [kernel.intensity or 0.0 for kernel in kernels],
        [kernel.gflops or 0.0 for kernel in kernels],
        s=[12 + 6000 * kernel.us / total_us for kernel in kernels],
        color=colour,
        alpha=0.55,
        lw=0,
        zorder=3,
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
