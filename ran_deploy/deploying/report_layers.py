"""Layer types asked for and obtained, and where the time of a run goes."""

from ran_deploy.deploying.report_view import TYPE_NAMES, Shown
from ran_deploy.deploying.result import DeployResult, Variant
from ran_deploy.profiling.result import GroupCost, ProfileResult
from ran_deploy.report.bars import Bar, bar_chart
from ran_deploy.report.html import (
    NOTHING,
    Html,
    bullets,
    cell,
    code,
    element,
    folded,
    join,
    paragraph,
    table,
    text,
)
from ran_deploy.report.palette import BLUE, GREEN, ORANGE, PURPLE, SOFT
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.words import counted, ms, shorten

_BRANCH_COLOURS = {"units": BLUE, "trunk": GREEN, "mask": ORANGE, "fusion": PURPLE}
_KEY = "Blue: residual units, green: trunk, orange: mask, purple: product and sum of both, grey: the rest."
_KERNELS = 12
_MOST_PARTS = 24


def layers_section(shown: list[Shown]) -> Html:
    """Return for each engine the types of its compute layers, and the nodes that were left in another type."""
    made = [one for one in shown if one.variant.engine is not None]
    if not made:
        return paragraph("No engine was made.")
    rows = [
        [
            cell(one.label),
            cell(TYPE_NAMES[one.variant.precision]),
            cell(_counts(one.variant.obtained)),
            cell(_otherwise(one.variant)),
            cell(_runs_as(one.variant)),
        ]
        for one in made
    ]
    header = ["variant", "asked for", "obtained: compute layers", "otherwise", "runs as"]
    parts = [
        table("Layer types asked for and obtained", header, rows, align=("text", "left", "text", "left", "text")),
    ]
    kept: dict[tuple[str, ...], list[str]] = {}
    for one in made:
        if one.variant.kept and one.variant.engine is not None:
            kept.setdefault(one.variant.kept, []).append(one.label)
    for nodes, names in kept.items():
        title = f"{counted(len(nodes), 'node')} left in a higher precision on purpose: {'; '.join(names)}"
        parts.append(folded(title, bullets([code(node) for node in nodes])))
    return join(parts)


def _counts(obtained: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {TYPE_NAMES.get(kind, kind)}" for kind, count in obtained.items()) or "unknown"


def _otherwise(variant: Variant) -> str:
    """Say how many layers are not of the type asked for, and how many of these are so on purpose."""
    others = sum(count for kind, count in variant.obtained.items() if kind != variant.precision)
    if not variant.obtained:
        return "unknown"
    return "none" if not others else f"{others:,}; {counted(len(variant.kept), 'node')} on purpose"


def _runs_as(variant: Variant) -> str:
    return "not run here" if variant.bench is None else variant.bench.session.precision


def profile_section(shown: list[Shown], result: DeployResult) -> Html:
    """Return where the time goes: a picture of the recommended engine's parts, and a table of all engines' parts."""
    profiled = [one for one in shown if one.variant.profile is not None]
    if not profiled:
        return paragraph("Not measured: no engine was timed kernel by kernel.")
    chosen = next((one for one in profiled if one.variant.name == result.recommendation.variant), profiled[0])
    profile = chosen.variant.profile
    assert profile is not None  # noqa: S101
    others = [one for one in profiled if one is not chosen]
    pictures = [_picture(one, one.variant.profile) for one in (chosen, *others) if one.variant.profile is not None]
    return join(
        [
            paragraph(f"{profile.method}. Fed: {profile.inputs}.", kind="soft"),
            gallery(pictures[:1], single=True),
            _kernels(chosen, profile),
            folded("The same for the other engines", gallery(pictures[1:])) if others else NOTHING,
            *([element("h3", text("The parts of all engines")), _parts(profiled)] if others else []),
        ]
    )


def _picture(one: Shown, profile: ProfileResult) -> Picture:
    title = f"{one.label}: time by part, batch {profile.batch}"
    parts = profile.parts[:_MOST_PARTS]
    bars = [
        Bar(
            name=part.name,
            words=f"{ms(part.us / 1000)} ms, {100 * part.share:.1f}%",
            value=part.us,
            colour=_BRANCH_COLOURS.get(part.branch or "", SOFT),
        )
        for part in parts
    ]
    share = 100 * profile.overhead_us / profile.run_us
    overhead = f"{ms(profile.overhead_us / 1000)} ms, {share:.1f}%"
    bars.append(Bar(name="runtime overhead", words=overhead, value=profile.overhead_us, colour=SOFT))
    svg = bar_chart(bars, title=title, about=f"One run takes {ms(profile.run_us / 1000)} ms.")
    cells = [[cell(part.name), *_cost(part)] for part in [*profile.parts, profile.total]]
    header = ["part", "kernels", "ms", "share of run()", "GFLOP/s", "of roofline"]
    run = f"One run takes {ms(profile.run_us / 1000)} ms, the kernels {ms(profile.total.us / 1000)} ms of it. {_KEY}"
    return Picture(title=title, svg=svg, data=table(title, header, cells), caption=run)


def _cost(part: GroupCost) -> list[Html]:
    return [
        cell(f"{part.kernels:,}"),
        cell(ms(part.us / 1000)),
        cell(f"{100 * part.share:.1f}%"),
        cell("–" if part.gflops is None else f"{part.gflops:.1f}"),
        cell("–" if part.roofline is None else f"{100 * part.roofline:.0f}%"),
    ]


def _kernels(one: Shown, profile: ProfileResult) -> Html:
    rows = [
        [
            cell(shorten(kernel.name, 60)),
            cell(kernel.op),
            cell(kernel.part),
            cell(ms(kernel.us / 1000)),
            cell(f"{100 * kernel.share:.1f}%"),
        ]
        for kernel in profile.kernels[:_KERNELS]
    ]
    title = f"The slowest {len(rows)} of {len(profile.kernels):,} kernels of {one.label}"
    header = ["kernel", "operator", "part", "ms", "share"]
    return folded(title, table(title, header, rows, align=("text", "text", "left")))


def _parts(profiled: list[Shown]) -> Html:
    profiles = [one.variant.profile for one in profiled if one.variant.profile is not None]
    names = list(dict.fromkeys(part.name for profile in profiles for part in profile.parts))
    rows = []
    for name in names:
        row = [cell(name)]
        for profile in profiles:
            found = next((part for part in profile.parts if part.name == name), None)
            row.append(cell("–") if found is None else cell(ms(found.us / 1000), f"{100 * found.share:.1f}%"))
        rows.append(row)
    whole = [cell("whole run"), *(cell(ms(profile.run_us / 1000)) for profile in profiles)]
    header = ["part", *(f"engine {one.number}" for one in profiled)]
    return table("Milliseconds by part, with their share of the run", header, [*rows, whole])
