"""How a report names and paints the variants: the same number, colour and shape wherever one of them is shown."""

from dataclasses import dataclass

from ran_deploy.bench.pareto_result import ParetoPoint
from ran_deploy.bench.result import BatchResult
from ran_deploy.deploying.result import DeployResult, Variant
from ran_deploy.report.marks import SHAPES, Shape
from ran_deploy.report.palette import BLUE, GREEN, ORANGE, PURPLE
from ran_deploy.report.words import shorten

TYPE_NAMES = {"fp32": "float32", "fp16": "FP16", "int8": "INT8"}
_COLOURS = {"fp32": BLUE, "fp16": GREEN, "int8": ORANGE}
_COLOUR_NAMES = {"fp32": "blue", "fp16": "green", "int8": "orange"}
_LETTERS = 60
STATUS_WORDS = {
    "recommended": "recommended",
    "passed": "passed",
    "rejected": "rejected",
    "failed": "failed",
    "not-run": "not run here",
    "reference": "reference only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A variant with its place in the report."""

    number: int
    variant: Variant
    colour: str
    """Tells the precision."""
    shape: Shape
    """Tells the runtime."""
    point: ParetoPoint | None
    """Its place in the Pareto result."""

    @property
    def label(self) -> str:
        """Return number and name; the middle of a very long name is left out."""
        return f"{self.number} · {shorten(self.variant.name, _LETTERS)}"

    @property
    def batches(self) -> tuple[BatchResult, ...]:
        """Return what was measured, by batch size and boundary."""
        return () if self.variant.bench is None else self.variant.bench.results


def shown_variants(result: DeployResult) -> list[Shown]:
    """Return the variants in the order of the result, numbered from 1."""
    points = {} if result.pareto is None else {point.name: point for point in result.pareto.points}
    runtimes = list(dict.fromkeys(variant.runtime for variant in result.variants))
    return [
        Shown(
            number=number,
            variant=variant,
            colour=_COLOURS.get(variant.precision, PURPLE),
            shape=SHAPES[runtimes.index(variant.runtime) % len(SHAPES)],
            point=points.get(variant.name),
        )
        for number, variant in enumerate(result.variants, 1)
    ]


def key_words(shown: list[Shown]) -> str:
    """Return what colours and shapes mean, for those that occur."""
    colours = dict.fromkeys(one.variant.precision for one in shown)
    shapes = {one.variant.runtime: one.shape for one in shown}
    said = [f"{TYPE_NAMES[name]} {_COLOUR_NAMES[name]}" for name in colours]
    said += [f"{runtime} {_plural(shape)}" for runtime, shape in shapes.items()]
    return ", ".join(said)


def _plural(shape: Shape) -> str:
    return f"{shape}s"
