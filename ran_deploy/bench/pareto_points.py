"""From what was measured to the points of a Pareto run, and to what must be said of INT8 in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ran_deploy.bench.domination import Comparison, dominators
from ran_deploy.bench.interleave import Rounds
from ran_deploy.bench.pareto_result import ParetoPoint, Plane, Speed
from ran_deploy.bench.ratio import Ratio, speed_ratio
from ran_deploy.runtime.evaluate import EvalResult
from ran_deploy.runtime.paired import Classes, Flags, PairedAccuracy, compare_predictions
from ran_deploy.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, opened in one runtime."""

    name: str
    path: Path
    runtime: str
    session: Session

    @property
    def asked(self) -> str:
        """The precision that the file was made for."""
        manifest = self.session.manifest
        return "unknown" if manifest is None else manifest.precision.asked


@dataclass(frozen=True, slots=True)
class Judged:
    """What an entry answered."""

    accuracy: EvalResult
    correct: Flags
    classes: Classes


def make_points(
    entries: list[Entry], judged: list[Judged], planes: dict[Plane, list[Rounds]], tolerance_points: float
) -> tuple[ParetoPoint, ...]:
    """Bring accuracy and speed together, and mark in each plane what is dominated.

    Args:
        entries: What was measured; the first is what the others are compared with.
        judged: What each answered.
        planes: How fast each was, at batch 1 ("latency") and at a larger batch ("throughput").
        tolerance_points: See :data:`ran_deploy.bench.domination.RULE`.
    """
    speeds = {plane: _speeds(plane, measured, entries, judged, tolerance_points) for plane, measured in planes.items()}
    found = []
    for index, (entry, answer) in enumerate(zip(entries, judged, strict=True)):
        difference = _paired(answer, judged[0])
        found.append(
            ParetoPoint(
                name=entry.name,
                session=entry.session.info,
                size_bytes=entry.path.stat().st_size,
                asked=entry.asked,
                top1=answer.accuracy.top1,
                top1_ci95=answer.accuracy.top1_ci95,
                difference_points=difference.difference_points,
                difference_ci95=difference.difference_ci95,
                agreement=difference.agreement,
                latency=speeds["latency"][index],
                throughput=speeds["throughput"][index],
            )
        )
    return tuple(found)


def _speeds(
    plane: Plane, measured: list[Rounds], entries: list[Entry], judged: list[Judged], tolerance_points: float
) -> list[Speed]:
    def compare(b: int, a: int) -> Comparison:
        accuracy = _paired(judged[b], judged[a])
        return Comparison(
            points=accuracy.difference_points,
            points_ci95=accuracy.difference_ci95,
            speed=ratio_of(plane, measured[b], measured[a]),
        )

    above = dominators(len(entries), compare, tolerance_points)
    return [
        Speed(
            **asdict(rounds),
            ratio=ratio_of(plane, rounds, measured[0]),
            dominated_by=tuple(entries[place].name for place in above[index]),
        )
        for index, rounds in enumerate(measured)
    ]


def _paired(candidate: Judged, reference: Judged) -> PairedAccuracy:
    return compare_predictions(reference.correct, candidate.correct, reference.classes, candidate.classes)


def ratio_of(plane: Plane, rounds: Rounds | Speed, baseline: Rounds | Speed) -> Ratio:
    """Return the speed of one over another: by medians at batch 1, by images per second at the larger batch."""
    if plane == "latency":
        return speed_ratio([1 / value for value in rounds.round_p50_ms], [1 / value for value in baseline.round_p50_ms])
    return speed_ratio(rounds.round_images_per_s, baseline.round_images_per_s)


def int8_remarks(points: Sequence[ParetoPoint]) -> list[str]:
    """Say in words where an INT8 file is slower than float32 in the same runtime, or not measurably faster."""
    remarks = []
    for point in points:
        runtime = point.name.rpartition(", ")[2]
        floats = [other for other in points if other.asked == "fp32" and other.name.rpartition(", ")[2] == runtime]
        if point.asked != "int8" or not floats:
            continue
        planes: tuple[Plane, ...] = ("latency", "throughput")
        for plane in planes:
            mine, theirs = point.speed(plane), floats[0].speed(plane)
            ratio = ratio_of(plane, mine, theirs)
            if ratio.ci95[0] > 1:
                continue
            verdict = "slower" if ratio.ci95[1] < 1 else "not measurably faster"
            remarks.append(
                f"INT8 is {verdict} than float32 in {runtime} here: at batch {mine.batch}, {point.name} has "
                f"{ratio.text()} times the speed of {floats[0].name}."
            )
    return remarks
