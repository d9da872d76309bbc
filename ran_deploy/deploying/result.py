"""What a deployment answers: the record of each stage, of each engine variant, and the recommendation.

``report.json`` is a :class:`DeployResult`, written by :func:`write_result` and read by :func:`read_result`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ran_deploy.bench.environment import Environment
from ran_deploy.bench.pareto_result import ParetoResult
from ran_deploy.bench.result import BenchResult
from ran_deploy.deploying.options import DeployOptions, PrecisionName, RuntimeName
from ran_deploy.json_files import read_json, write_json
from ran_deploy.manifest import Build, Contract, Parent
from ran_deploy.profiling.result import ProfileResult
from ran_deploy.runtime.evaluate import EvalResult
from ran_deploy.runtime.gate import GateResult
from ran_deploy.runtime.paired import PairedAccuracy

REPORT_JSON = "report.json"

StageKind = Literal["export", "import", "fp16", "int8", "build", "accuracy", "bench", "profile", "pareto", "report"]
StageStatus = Literal["done", "rejected", "failed", "skipped"]
"""done: its artefacts are whole; rejected: a gate refused what it made; failed: an engine could not be made or run;
skipped: it was not run, because of another stage or of something that is not on this machine."""
VariantStatus = Literal["recommended", "passed", "rejected", "failed", "not-run", "reference"]
"""passed: it was measured and holds its gates; rejected: a gate or the SLO refuses it; failed: it could not be made or
run; not-run: it was built, but does not run on this machine; reference: float32 in ONNX Runtime, measured to compare
with, where it is not among what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file of the deployment's folder."""

    name: str
    """Path, relative to the folder."""
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage: what it was made from, what it made, how long that took. Kept in the folder, and in the result."""

    name: str
    """Such as "export", "int8", "build-fp16", "accuracy-int8-openvino"."""
    kind: StageKind
    status: StageStatus
    reason: str = ""
    """Why it was rejected, failed or skipped, in one sentence."""
    key: str
    """Digest of ``inputs``: the same key means the same result."""
    inputs: dict[str, str]
    """What determines the stage: hashes of what it reads, options, versions; by name."""
    parents: tuple[str, ...] = ()
    """Stages whose artefacts it reads."""
    artefacts: tuple[Artefact, ...] = ()
    summary: str = ""
    """What came of it, in a few words."""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    """What it took when it last ran."""
    created: str = ""
    """UTC time at which it ended, ISO 8601."""
    command: str = ""
    """The command that repeats this stage alone; empty where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An artefact of the lineage, and what it was made from."""

    name: str
    kind: str
    """"checkpoint", "onnx" or "plan"."""
    sha256: str
    size_bytes: int
    parents: tuple[Parent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was deployed."""

    kind: Literal["arch", "onnx"]
    arch: str | None
    """The network's name; None for a model that came in as ONNX without one."""
    dataset: str | None
    name: str
    """File name of the checkpoint or of the ONNX file that came in; "random weights" without one."""
    sha256: str
    """Of that file; empty without one."""
    weights: Literal["trained", "random"]
    contract: Contract
    parity: dict[str, Any]
    """How the ONNX file was proven: metrics against PyTorch for a network; empty for an ONNX file that came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The latencies of one measurement, for a histogram."""

    batch: int
    boundary: str
    count: int
    """How many were measured."""
    latencies_ms: tuple[float, ...]
    """All of them in ascending order; of more than 2,000 the evenly spread order statistics, so that shares hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloResult:
    """Whether an engine holds the latency that was asked for."""

    slo_ms: float
    percentile: float
    """The percentile that was judged: the one asked for, or the highest below it that the samples support."""
    measured_ms: float
    batch: int
    held: bool
    text: str
    """The verdict in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One precision in one runtime: the unit that is compared and recommended."""

    name: str
    """Such as "att92_int8, openvino"; the same as in the Pareto result."""
    precision: PrecisionName
    runtime: RuntimeName
    status: VariantStatus
    reason: str = ""
    """Why it was rejected, failed or not run, in one sentence."""
    engine: Artefact | None = None
    """The file that this runtime loads; None where it was not made."""
    obtained: dict[str, int] = field(default_factory=dict)
    """Compute layers by the type that the file, or the built engine, has; ``precision`` is what was asked for."""
    kept: tuple[str, ...] = ()
    """Nodes that were left in a higher precision on purpose."""
    build: Build | None = None
    """For a plan: library, version, targets, batch profile."""
    calibration: dict[str, Any] | None = None
    """For int8: images or file, method, digests, as in the manifest."""
    parity: dict[str, Any] | None = None
    """Agreement with the parent when it was converted, as in the manifest."""
    accuracy: EvalResult | None = None
    paired: PairedAccuracy | None = None
    """Against float32 in ONNX Runtime on the same images; None for that engine itself."""
    gate: GateResult | None = None
    bench: BenchResult | None = None
    """Latency and throughput by batch size, with intervals, environment and remarks."""
    samples: tuple[Samples, ...] = ()
    slo: SloResult | None = None
    profile: ProfileResult | None = None
    """Where the time of a run goes, part by part."""
    on_latency_front: bool | None = None
    """Whether nothing dominates it in accuracy and latency; None where it was not measured."""
    on_throughput_front: bool | None = None
    commands: tuple[str, ...] = ()
    """Commands that repeat its stages one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Which engine to deploy, and why."""

    variant: str | None
    """Name of the variant; None: none holds what was asked for."""
    sentence: str
    """The whole answer in one sentence."""
    reasons: tuple[str, ...]
    """One sentence for each step of the choice."""
    next_command: str
    """What to type next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployResult:
    """Everything that is known at the end of a deployment."""

    name: str
    """Stem of the files, such as "att92"."""
    source: Source
    options: DeployOptions
    origins: dict[str, str]
    """Where each option came from: "command line", "profile FILE" or "default"; by option."""
    profile: str | None
    """File name of the deployment profile."""
    dataset: str | None
    """Dataset of the accuracy; None: it was not measured."""
    stages: tuple[StageRecord, ...]
    """In the order in which they run."""
    variants: tuple[Variant, ...]
    pareto: ParetoResult | None
    """Accuracy against latency and throughput, interleaved, with the front; None where nothing could be measured."""
    recommendation: Recommendation
    absent: dict[str, str]
    """Runtimes that are not on this machine, with the reason."""
    lineage: tuple[Link, ...]
    """Every model file, the source first."""
    warnings: tuple[str, ...]
    environment: Environment
    """Of the machine, before the measurements."""
    created: str
    """UTC time, ISO 8601."""
    command: str
    """The command that repeats the deployment."""
    schema: Literal["ran-deploy.deploy/v1"] = "ran-deploy.deploy/v1"


def write_result(result: DeployResult, folder: Path) -> Path:
    """Write ``report.json`` into the folder, atomically, and return its path.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    path = folder / REPORT_JSON
    write_json(path, result, indent=1)
    return path


def read_result(path: Path) -> DeployResult:
    """Read a ``report.json``.

    Raises:
        UsageError: The file is missing.
        IntegrityError: It is damaged, or not a result of this version.
    """
    return read_json(DeployResult, path)
