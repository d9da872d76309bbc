"""INT8 on a CPU: one network in ONNX Runtime and in OpenVINO, measured in turn, as ratios with intervals.

See benchmarks/README.md. The clock covers one synchronous ``run()`` call, as in ``ran-deploy bench``.
"""

import argparse
import contextlib
import datetime
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.bench.interleave import Rounds, measure_in_rounds
from ran_deploy.bench.ratio import LEAST_ROUNDS, Ratio, speed_ratio
from ran_deploy.config import to_mapping
from ran_deploy.errors import MissingError, RanDeployError, UsageError
from ran_deploy.files import require_writable, write_text
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session, SessionInfo

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file in one runtime."""

    name: str
    session: SessionInfo
    rounds: Rounds
    ratio: Ratio
    """Images per second over the baseline's."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare INT8, bfloat16 and float32 on this CPU, in turn.")
    parser.add_argument("--fp32", type=Path, required=True, help="the float32 .onnx file")
    parser.add_argument("--int8", type=Path, required=True, help="the Q/DQ .onnx file made from it")
    parser.add_argument("--baseline", type=Path, help="another float32 .onnx file for the baseline, without a manifest")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turn", type=float, default=2.0, help="least timed seconds of each turn")
    parser.add_argument("--settle", type=int, default=500, help="least untimed milliseconds before each turn")
    parser.add_argument("--threads", type=int, help="CPU threads; else all that this process may use")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def engines(options: argparse.Namespace) -> list[tuple[str, Path, Runtime]]:
    """List what is compared; the baseline first."""
    fp32, int8 = options.fp32, options.int8
    optimized: list[tuple[str, Path, Runtime]] = [("ONNX Runtime float32", fp32, "onnxruntime")]
    return [
        ("ONNX Runtime float32, baseline", options.baseline or fp32, "onnxruntime"),
        *(optimized if options.baseline else []),
        ("ONNX Runtime INT8", int8, "onnxruntime"),
        ("OpenVINO float32", fp32, "openvino"),
        ("OpenVINO bfloat16", fp32, "openvino-bf16"),
        ("OpenVINO INT8", int8, "openvino"),
    ]


def measure(options: argparse.Namespace) -> tuple[list[Entry], dict[str, str]]:
    """Open all engines, measure them in turn, and compare them with the first."""
    names: list[str] = []
    fed: list[tuple[Session, Any]] = []
    absent: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name, path, runtime in engines(options):
            try:
                session = open_engine(path, threads=options.threads, trust=path == options.baseline, runtime=runtime)
            except MissingError as error:  # such as a CPU without bfloat16
                if not names:  # without the baseline there is nothing to compare with
                    raise
                absent[name] = error.message
                continue
            stack.enter_context(session)
            pool, _ = make_pool(session.contract, (options.batch,), None)
            names.append(name)
            fed.append((session, make_buffers(session.contract, pool, options.batch)))
        measured = measure_in_rounds(fed, rounds=options.rounds, turn_s=options.turn, settle_ms=options.settle)
    entries = [
        Entry(
            name=name,
            session=session.info,
            rounds=rounds,
            ratio=speed_ratio(rounds.round_images_per_s, measured[0].round_images_per_s),
        )
        for name, (session, _), rounds in zip(names, fed, measured, strict=True)
    ]
    return entries, absent


def main(words: list[str]) -> int:
    """Measure, write the result and print it."""
    options = arguments(words)
    now = datetime.datetime.now(datetime.UTC)
    out = options.out or RESULTS / f"cpu_int8_{now:%Y%m%dT%H%M%SZ}.json"
    try:
        if options.rounds < LEAST_ROUNDS:
            raise UsageError(f"--rounds is {options.rounds}; expected at least {LEAST_ROUNDS}.")
        require_writable(out)
        environment = read_environment()
        entries, absent = measure(options)
        document = {
            "schema": "ran-deploy.benchmarks.cpu_int8/v1",
            "created": now.isoformat(timespec="seconds"),
            "options": {
                name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()
            },
            "environment": to_mapping(environment),
            "absent": absent,
            "entries": [to_mapping(entry) for entry in entries],
        }
        write_text(out, json.dumps(document, indent=2, allow_nan=False) + "\n")
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    lines = [f"{environment.cpu}, {environment.cpus} CPUs, {' '.join(environment.cpu_features)}"]
    lines.append(f"load average before: {environment.load_average_1min}")
    for entry in entries:
        speed = f"{entry.rounds.images_per_s:10,.1f} images/s"
        lines.append(f"{entry.name:32s}{speed}  × {entry.ratio.text()}  {entry.session.precision}")
    lines += [f"{name}: left out: {reason}" for name, reason in absent.items()]
    sys.stdout.write("\n".join([*lines, f"written to {out}"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
