"""What an experiment found: the content of ``results.json``, schema ran-deploy.experiment/v1."""

from dataclasses import dataclass
from typing import Any

from ran_deploy.bench.environment import Environment
from ran_deploy.experiments.plan import Plan
from ran_deploy.experiments.trained import EpochPoint
from ran_deploy.experiments.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """One network trained with one seed."""

    seed: int
    top1: float
    """Percent of the test images whose likeliest class is right."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% interval of it."""
    top5: float | None
    train_s: float
    checkpoint: str
    """Relative to the experiment's folder."""
    checkpoint_sha256: str
    curve: tuple[EpochPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """One of the compared networks."""

    name: str
    label: str
    arch: str
    options: dict[str, Any]
    recipe: dict[str, Any]
    """What its training differs in."""
    params: int
    published: float
    """The source's accuracy, in percent."""
    top1: float
    """Accuracy here, in percent; the mean over the seeds."""
    top1_ci95: tuple[float, float]
    """Wilson's 95% interval over the test images with one seed, Student's over the seeds with more."""
    seeds: tuple[SeedResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingResult:
    """A published ordering of two networks, and whether it held here."""

    better: str
    """The network that was published as the better one, by its label."""
    worse: str
    published_points: float
    """The published difference in accuracy, in percentage points."""
    points: float
    """The difference here."""
    ci95: tuple[float, float]
    p: float
    p_adjusted: float
    """``p`` adjusted for all orderings of the experiment, by Holm's method."""
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentResult:
    """A comparison of networks under one budget, beside the published one."""

    experiment: str
    title: str
    dataset: str
    source: str
    budgets: str
    """One sentence on the published budget and on the one here."""
    uncertainty: str
    """One sentence on what the intervals cover, and what they do not."""
    plan: Plan
    networks: tuple[NetworkResult, ...]
    orderings: tuple[OrderingResult, ...]
    train_s: float
    """Time spent training all networks, in seconds."""
    environment: Environment
    files: tuple[str, ...] = ("results.json", "table.md", "curves.png", "curves.svg")
    """What is beside ``plan.json`` in the experiment's folder."""
