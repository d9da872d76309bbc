"""Whether an FP16 or INT8 engine is faster than the float32 file that it was made from, said in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.bench.interleave import SETTLE_MS, measure_in_rounds
from ran_deploy.bench.ratio import Ratio, speed_ratio
from ran_deploy.bench.request import Request
from ran_deploy.manifest import Manifest, read_manifest
from ran_deploy.progress import Progress
from ran_deploy.runtime.plan_preflight import onnx_parent

ROUNDS = 10
_MOST_TURN_S = 0.2
_NAMES = {"int8": "INT8", "fp16": "FP16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentAtBatch:
    """The two at one batch size, measured in turn."""

    batch: int
    p50_ms: float
    parent_p50_ms: float
    speed: Ratio
    """Speed of the engine over that of its parent, round by round; above 1: the engine is faster."""
    verdict: str
    """Either "faster", "slower" or "not measurably different"."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstParent:
    """An engine of lower precision and its float32 parent on the same runtime."""

    parent: str
    sha256: str
    runtime: str
    rounds: int
    batches: tuple[ParentAtBatch, ...]


def find_float_parent(path: Path, manifest: Manifest | None) -> tuple[Path | None, str]:
    """Find the float32 ``.onnx`` file that an FP16 or INT8 ``.onnx`` engine was made from.

    Returns:
        The file if it lies unchanged beside the engine, and a sentence if it was looked for and not found.
    """
    if manifest is None or manifest.kind != "onnx" or manifest.precision.asked not in _NAMES:
        return None, ""
    name = _NAMES[manifest.precision.asked]
    named = next((parent.name for parent in manifest.parents if parent.role == "onnx"), None)
    found = onnx_parent(path, manifest)
    if found is None:
        what = "its manifest names none" if named is None else f"{Path(named).name} is not beside it, or was changed"
        return None, f"Whether {name} is faster than float32 here was not measured: {what}."
    above = read_manifest(found)
    if above is not None and above.precision.asked != "fp32":
        return find_float_parent(found, above)
    return found, ""


def measure_against_parent(
    request: Request, path: Path, parent: Path, manifest: Manifest, batches: Sequence[int]
) -> AgainstParent:
    """Time an engine and its parent in turn, for a short while.

    Args:
        request: How the engine was measured.
        path: The ``.onnx`` file that ran.
        parent: The float32 file.
        manifest: The engine's.
        batches: Batch sizes.

    Raises:
        RanDeployError: The parent does not run here.
    """
    turn_s = min(_MOST_TURN_S, request.options.duration_s / ROUNDS)
    found = []
    with (
        request.open(path) as mine,
        request.open(parent) as theirs,
        Progress("bench, against float32", 2 * ROUNDS * len(batches), "turns") as progress,
    ):
        name = mine.info.runtime if request.runtime == "auto" else request.runtime
        for batch in batches:
            fed = []
            for session in (mine, theirs):
                pool, _ = make_pool(session.contract, (batch,), None)  # seeded: the same pixels for both
                fed.append((session, make_buffers(session.contract, pool, batch)))
            engine, floats = measure_in_rounds(
                fed,
                rounds=ROUNDS,
                turn_s=turn_s,
                settle_ms=min(SETTLE_MS, round(1000 * turn_s)),
                alternate=True,
                after_turn=lambda: progress.advance(1),
            )
            speed = speed_ratio([1 / ms for ms in engine.round_p50_ms], [1 / ms for ms in floats.round_p50_ms])
            verdict = verdict_of(speed)
            found.append(
                ParentAtBatch(
                    batch=batch,
                    p50_ms=engine.p50_ms,
                    parent_p50_ms=floats.p50_ms,
                    speed=speed,
                    verdict=verdict,
                    text=say(_NAMES[manifest.precision.asked], name, batch, speed, verdict),
                )
            )
        return AgainstParent(
            parent=str(parent), sha256=theirs.info.sha256, runtime=name, rounds=ROUNDS, batches=tuple(found)
        )


def verdict_of(speed: Ratio) -> str:
    """Return "faster" or "slower" where the interval excludes 1, else "not measurably different"."""
    if speed.ci95[0] > 1:
        return "faster"
    return "slower" if speed.ci95[1] < 1 else "not measurably different"


def say(name: str, runtime: str, batch: int, speed: Ratio, verdict: str) -> str:
    """Say in a sentence how an engine compares with its float32 parent, and what to do about it."""
    where = f"on {runtime} here (batch {batch})"
    if verdict == "not measurably different":
        return (
            f"{name} is not measurably faster than its float32 parent {where}: {speed.text()} times the speed."
            f"{_advice(runtime)}"
        )
    factor = speed if verdict == "faster" else speed.inverse
    low, high = factor.ci95
    sentence = (
        f"{name} is {factor.value:.2f} times {verdict} than its float32 parent {where}, "
        f"95% interval {low:.2f} to {high:.2f}"
    )
    return f"{sentence}." if verdict == "faster" else f"{sentence}:{_advice(runtime).lower()}"


def _advice(runtime: str) -> str:
    return " Use float32." if "openvino" in runtime else " Use float32, or --runtime openvino."
