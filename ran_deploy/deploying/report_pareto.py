"""Accuracy against speed: which engines are worth having, and which another one makes pointless."""

from ran_deploy.bench.pareto_result import ParetoPoint, Plane
from ran_deploy.bench.ratio import Ratio
from ran_deploy.deploying.report_view import STATUS_WORDS, Shown, key_words
from ran_deploy.deploying.result import DeployResult
from ran_deploy.report.chart import Chart
from ran_deploy.report.html import Html, cell, join, paragraph, table
from ran_deploy.report.labels import place_labels
from ran_deploy.report.palette import INK, SOFT
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.words import ms, rate, size

_NAMED = 2
"""As many of those that dominate a point are named, which are on the front themselves."""
_LOG_FROM = 5
"""Speeds that differ by more than this factor get a logarithmic axis."""
_STATUS_KINDS = {"recommended": "good", "rejected": "bad", "failed": "bad"}


def pareto_section(shown: list[Shown], result: DeployResult) -> Html:
    """Return the table of all variants, and the two planes where they were measured."""
    parts = [_table(shown)]
    if result.pareto is None:
        parts.append(paragraph("There is no picture of accuracy against speed: there was nothing to compare."))
        return join(parts)
    pareto = result.pareto
    placed = [one for one in shown if one.point is not None]
    numbers = {one.variant.name: str(one.number) for one in shown}
    planes: tuple[Plane, ...] = ("latency", "throughput")
    parts.append(gallery([_plane(placed, plane, numbers) for plane in planes]))
    batch = pareto.options.batch
    parts.append(
        paragraph(
            f"{pareto.samples:,} images of {pareto.dataset} ({pareto.split}); {pareto.order}, latency at batch 1 and "
            f"throughput at batch {batch}. What the clock covers: {pareto.boundary}. {pareto.rule}",
            kind="soft",
        )
    )
    return join(parts)


def _table(shown: list[Shown]) -> Html:
    numbers = {one.variant.name: str(one.number) for one in shown}
    rows = []
    for one in shown:
        variant, point = one.variant, one.point
        name = cell(f"{one.number} · {variant.name}")
        status = cell(STATUS_WORDS[variant.status], kind=_STATUS_KINDS.get(variant.status, ""))
        file = "none" if variant.engine is None else size(variant.engine.size_bytes)
        if point is None:
            top1 = "not measured" if variant.accuracy is None else f"{variant.accuracy.top1:.2f}%"
            rows.append([name, status, cell(top1), *[cell("–")] * 4, cell(file)])
            continue
        low, high = point.top1_ci95
        rows.append(
            [
                name,
                status,
                cell(f"{point.top1:.2f}%", f"{low:.2f} to {high:.2f}"),
                cell(f"{ms(point.latency.p50_ms)} ms", _dominated(point, "latency", numbers)),
                _factor(point.latency.ratio),
                cell(f"{rate(point.throughput.images_per_s)}/s", _dominated(point, "throughput", numbers)),
                _factor(point.throughput.ratio),
                cell(file),
            ]
        )
    batch = next((one.point.throughput.batch for one in shown if one.point is not None), None)
    header = [
        "variant",
        "status",
        "top-1",
        "batch 1",
        "× as fast",
        f"batch {batch}" if batch else "large batch",
        "× as fast",
        "file",
    ]
    first = next((one.label for one in shown if one.point is not None), None)
    foot = f"Below a number: its 95% interval. × as fast: as {first}, measured in turn." if first else ""
    return table("Engines", header, rows, align=("text", "left"), foot=foot)


def _factor(ratio: Ratio) -> Html:
    return cell(f"{ratio.value:.2f}", f"{ratio.ci95[0]:.2f} to {ratio.ci95[1]:.2f}")


def _dominated(point: ParetoPoint, plane: Plane, numbers: dict[str, str]) -> str:
    above = [numbers.get(name, name) for name in point.speed(plane).dominated_by]
    if not above:
        return "on the front"
    return f"dominated by {', '.join(above[:_NAMED])}{' …' if len(above) > _NAMED else ''}"


def _plane(placed: list[Shown], plane: Plane, numbers: dict[str, str]) -> Picture:
    latency = plane == "latency"
    points = [(one, one.point) for one in placed if one.point is not None]
    speeds = [_speed(point, plane) for _, point in points]
    lows = [point.top1_ci95[0] for _, point in points]
    highs = [point.top1_ci95[1] for _, point in points]
    log = max(speeds) / min(speeds) > _LOG_FROM
    batch = points[0][1].speed(plane).batch
    title = f"Accuracy against {'latency' if latency else 'throughput'}, batch {batch}"
    front = [one for one, point in points if not point.speed(plane).dominated_by]
    room = (max(speeds) - min(speeds)) * 0.12 or max(speeds) * 0.1
    chart = Chart(
        x=(min(speeds) / 1.25, max(speeds) * 1.25) if log else (max(min(speeds) - room, 0), max(speeds) + room),
        y=(min(lows), max(highs)),
        x_label="median latency in ms: left is better" if latency else "images per second: right is better",
        y_label="top-1 accuracy in %",
        title=title,
        about=f"On the front: {', '.join(one.label for one in front)}.",
        x_log=log,
        height=300,
    )
    for one, point in points:
        x = _speed(point, plane)
        chart.segment((x, point.top1_ci95[0]), (x, point.top1_ci95[1]), one.colour, width=1.2)
    at = []
    for one, point in points:
        x = _speed(point, plane)
        chart.dot(x, point.top1, one.colour, radius=5.5, hollow=bool(point.speed(plane).dominated_by), shape=one.shape)
        at.append((chart.x(x), chart.y(point.top1)))
    for (one, point), (right, up, anchor) in zip(points, place_labels(at), strict=True):
        chosen = one.variant.status == "recommended"
        words = f"{one.number} ★" if chosen else str(one.number)
        chart.text(
            _speed(point, plane), point.top1, words, colour=INK if chosen else SOFT, anchor=anchor, right=right, up=up
        )
    star = " ★: recommended." if any(one.variant.status == "recommended" for one, _ in points) else ""
    return Picture(
        title=title,
        svg=chart.svg(),
        data=_data(title, points, plane, numbers),
        caption=f"Filled: on the front; hollow: dominated.{star} {key_words(placed)}. Vertical lines: 95% intervals.",
    )


def _data(title: str, points: list[tuple[Shown, ParetoPoint]], plane: Plane, numbers: dict[str, str]) -> Html:
    rows = [
        [
            cell(one.label),
            cell(f"{point.top1:.2f}%", f"{point.top1_ci95[0]:.2f} to {point.top1_ci95[1]:.2f}"),
            cell(ms(point.latency.p50_ms) if plane == "latency" else rate(point.throughput.images_per_s)),
            cell(_dominated(point, plane, numbers)),
        ]
        for one, point in points
    ]
    speed = "median ms" if plane == "latency" else "images/s"
    return table(title, ["variant", "top-1, 95% interval", speed, "front"], rows, align=("text",))


def _speed(point: ParetoPoint, plane: Plane) -> float:
    return point.latency.p50_ms if plane == "latency" else point.throughput.images_per_s
