"""What each stage takes: seconds and the largest resident memory, from weights to plans; and the start-up of commands.

See benchmarks/README.md. Each stage is the command itself, in a process of its own, whose peak the kernel reports. The
bar is 6 GiB for Attention-92 in ImageNet layout: export with parity, INT8 calibration of 512 images, build.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from result_file import ResultFile

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.errors import RanDeployError

BAR_GIB = 6.0
_GIB = 1 << 30
_HELPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command took."""

    command: str
    elapsed_s: float
    peak_gib: float
    """Largest resident set of its process."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure time and memory of each stage.")
    parser.add_argument("--arch", default="att92")
    parser.add_argument("--dataset", default="imagenet", help="the layout; its weights are random where none ship")
    parser.add_argument("--calib-data", type=Path, required=True, help="the dataset's folder, for INT8")
    parser.add_argument("--calib-samples", type=int, default=512)
    parser.add_argument("--random-weights", action="store_true")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def run(words: list[str], folder: Path) -> Cost:
    """Run a command of ran-deploy.

    Raises:
        SystemExit: It failed.
    """
    begun = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "ran_deploy", *words], cwd=folder, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"ran-deploy {' '.join(words)} ended with exit code {child.returncode}")
    shown = " ".join(Path(word).name if word.startswith("/") else word for word in words)
    return Cost(
        command=f"ran-deploy {shown}", elapsed_s=time.monotonic() - begun, peak_gib=used.ru_maxrss * 1024 / _GIB
    )


def startup(folder: Path) -> dict[str, float]:
    """Return the median seconds of ``--help`` and of starting Python alone, in turns."""
    found: dict[str, list[float]] = {"python": [], "ran-deploy --help": [], "ran-deploy bench --help": []}
    for _ in range(_HELPS):
        for name, words in (
            ("python", ["-c", "pass"]),
            ("ran-deploy --help", ["-m", "ran_deploy", "--help"]),
            ("ran-deploy bench --help", ["-m", "ran_deploy", "bench", "--help"]),
        ):
            begun = time.monotonic()
            subprocess.run([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, check=True)
            found[name].append(time.monotonic() - begun)
    return {name: sorted(times)[len(times) // 2] for name, times in found.items()}


def main(words: list[str]) -> int:
    """Run all stages, write the result and print it; 7 if the bar is missed."""
    options = arguments(words)
    result_file = ResultFile("stage_costs", options, options.arch, options.dataset)
    try:
        result_file.check()
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    environment = read_environment()
    data = options.calib_data.resolve()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["RAN_DEPLOY_CACHE"] = str(folder / "cache")
        weights = ["--random-weights"] if options.random_weights else []
        source = ["--arch", options.arch, "--dataset", options.dataset, *weights, "--out", "net.onnx"]
        calibration = ["--calib-dataset", options.dataset, "--calib-data", str(data)]
        costs = [
            run(["export", *source], folder),
            run(["quantize", "--onnx", "net.onnx", "--precision", "fp16"], folder),
            run(
                [
                    *("quantize", "--onnx", "net.onnx", "--precision", "int8", *calibration),
                    *("--calib-samples", str(options.calib_samples)),
                ],
                folder,
            ),
            run(["build", "--onnx", "net_fp16.onnx"], folder),
            run(["build", "--onnx", "net_int8.onnx"], folder),
        ]
        started = startup(folder)
    peak = max(cost.peak_gib for cost in costs)
    document: dict[str, Any] = {
        "environment": to_mapping(environment),
        "stages": [to_mapping(cost) for cost in costs],
        "peak_gib": peak,
        "passed": peak < BAR_GIB,
        "startup_s": started,
    }
    result_file.write(document)
    for cost in costs:
        sys.stdout.write(f"{cost.elapsed_s:7.1f} s {cost.peak_gib:6.2f} GiB  {cost.command}\n")
    for name, seconds in started.items():
        sys.stdout.write(f"{seconds:7.2f} s             {name}\n")
    sys.stdout.write(f"peak {peak:.2f} GiB (bar {BAR_GIB:g}); written to {result_file.path}\n")
    return 0 if document["passed"] else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
