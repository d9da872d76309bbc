"""How often ``ran-deploy compare`` is right: one engine against itself, and against itself slowed by a known share.

See benchmarks/README.md. Each trial opens two fresh sessions of the engine; the slowed one waits, busily, for a share
of the time that each of its calls took.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from result_file import ResultFile

from ran_deploy.bench.compare import compare_sessions
from ran_deploy.bench.compare_result import BatchComparison, CompareOptions
from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.files import sha256_file
from ran_deploy.progress import Progress
from ran_deploy.runtime.evaluate import wilson_interval
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Logits, Session

BAR = 0.95
"""Share of the trials that must end in the right verdict: 19 of 20."""


class Slowed:
    """A session whose every call takes a known share longer."""

    def __init__(self, session: Session, share: float) -> None:
        self._run, self._share = session.run, share
        self.contract, self.info = session.contract, session.info

    def run(self, images: Any) -> Logits:
        """Run, then wait for the share of the time that it took."""
        begun = time.perf_counter_ns()
        logits = self._run(images)
        ended = time.perf_counter_ns()
        until = ended + round((ended - begun) * self._share)
        while time.perf_counter_ns() < until:
            pass
        return logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All trials of one kind at one batch size."""

    kind: str
    """"same" or "slowed"."""
    batch: int
    expected: str
    """The right verdict."""
    verdicts: dict[str, int]
    right: float
    right_ci95: tuple[float, float]
    """Wilson's interval of the share of right verdicts."""
    passed: bool
    trials: tuple[BatchComparison, ...]


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Validate the verdicts of ran-deploy compare with a real engine.")
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--runtime", default="auto", help="what runs an .onnx file, as in ran-deploy bench")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="batch sizes")
    parser.add_argument("--slowdown", type=float, default=0.05, help="share of each call's time to wait")
    parser.add_argument("--margin", type=float, default=0.03)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--duration", type=float, default=8.0, help="least seconds of each engine in each trial")
    parser.add_argument("--threads", type=int, help="CPU threads; else all that this process may use")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def measure(options: argparse.Namespace) -> dict[tuple[str, int], list[BatchComparison]]:
    """Run all trials; the two kinds take turns, so that both meet the same machine."""
    judged = CompareOptions(
        batches=tuple(options.batch), rounds=options.rounds, duration_s=options.duration, margin=options.margin
    )
    found: dict[tuple[str, int], list[BatchComparison]] = {}
    with Progress("validate", 2 * options.trials, "comparisons") as progress:
        for _ in range(options.trials):
            for kind in ("same", "slowed"):
                with (
                    open_engine(options.engine, threads=options.threads, runtime=options.runtime) as a,
                    open_engine(options.engine, threads=options.threads, runtime=options.runtime) as b,
                ):
                    candidate = b if kind == "same" else cast("Session", Slowed(b, options.slowdown))
                    comparisons, _ = compare_sessions(a, candidate, judged)
                for comparison in comparisons:
                    found.setdefault((kind, comparison.batch), []).append(comparison)
                progress.advance(1)
    return found


def summarize(kind: str, batch: int, trials: list[BatchComparison]) -> Series:
    """Count the verdicts of one kind of trials."""
    expected = "SAME" if kind == "same" else "SLOWER"
    verdicts = Counter(trial.verdict.name for trial in trials)
    right = verdicts[expected]
    return Series(
        kind=kind,
        batch=batch,
        expected=expected,
        verdicts=dict(verdicts),
        right=right / len(trials),
        right_ci95=wilson_interval(right, len(trials)),
        passed=right / len(trials) >= BAR,
        trials=tuple(trials),
    )


def main(words: list[str]) -> int:
    """Measure, write the result and print it; 7 if a bar is missed."""
    options = arguments(words)
    result_file = ResultFile("compare_validation", options)
    try:
        if options.trials < 1 or not 0 < options.slowdown < 1:
            raise UsageError("--trials must be at least 1, and --slowdown between 0 and 1, such as 0.05.")
        result_file.check()
        environment, digest = read_environment(), sha256_file(options.engine)
        found = [summarize(kind, batch, trials) for (kind, batch), trials in measure(options).items()]
        document = {
            "sha256": digest,
            "environment": to_mapping(environment),
            "load_average_after": read_environment().load_average_1min,
            "passed": all(series.passed for series in found),
            "series": [to_mapping(series) for series in found],
        }
        result_file.write(document)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    lines = [f"{environment.cpu}, {environment.cpus} CPUs, load average before: {environment.load_average_1min}"]
    for series in found:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(series.verdicts.items()))
        low, high = series.right_ci95
        values = sorted(trial.latency.value for trial in series.trials)
        lines.append(
            f"batch {series.batch}, {series.kind:6s}  {counts}; right in {100 * series.right:.0f}% "
            f"(95% interval {100 * low:.0f}% to {100 * high:.0f}%), ratios {values[0]:.3f} to {values[-1]:.3f}  "
            f"{'passed' if series.passed else 'NOT PASSED'}"
        )
    sys.stdout.write("\n".join([*lines, f"written to {result_file.path}"]) + "\n")
    return 0 if document["passed"] else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
