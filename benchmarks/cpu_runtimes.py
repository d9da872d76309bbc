"""One network in every runtime of this CPU, measured in turn (A B C C B A …), as ratios to a plain ONNX export.

See benchmarks/README.md. The clock covers one synchronous ``run()`` call, as in ``ran-deploy bench``.
"""

import argparse
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plain_export import export_plainly
from result_file import ResultFile

from ran_deploy.arch.checkpoint import CheckpointInfo, save_weights
from ran_deploy.bench.environment import read_environment
from ran_deploy.bench.inputs import make_buffers, make_pool
from ran_deploy.bench.interleave import Rounds, measure_in_rounds
from ran_deploy.bench.ratio import LEAST_ROUNDS, Ratio, speed_ratio
from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.errors import MissingError, RanDeployError, UsageError
from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.graph.source import load_source
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.session import Session, SessionInfo

PLAIN = "plain export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One file in one runtime."""

    name: str
    path: Path
    runtime: Runtime = "auto"
    trust: bool = False
    """Open it without a manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A contender at one batch size."""

    name: str
    session: SessionInfo
    rounds: Rounds
    ratio: Ratio
    """Images per second over those of the plain export in ONNX Runtime."""
    ratio_in_runtime: Ratio | None
    """Over those of the plain export in the same runtime; None for what is no ONNX file, and for it itself."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare the runtimes of this CPU on one network, in turn.")
    parser.add_argument("--arch", default="att92")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--random-weights", action="store_true", help="where no weights ship, as for imagenet")
    parser.add_argument("--calib-data", type=Path, help="real images for INT8; without them it is left out")
    parser.add_argument("--calib-samples", type=int, default=512)
    parser.add_argument("--work", type=Path, default=Path("runs/cpu_runtimes"), help="where the models go")
    parser.add_argument("--only", default="", help="parts of names, between /: measure just these beside the baseline")
    parser.add_argument("--batch", default="1,8,64")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turn", type=float, default=1.0, help="least timed seconds of each turn")
    parser.add_argument("--settle", type=int, default=300, help="least untimed milliseconds before each turn")
    parser.add_argument("--threads", type=int, help="CPU threads; else all that this process may use")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def contenders(options: argparse.Namespace) -> list[Contender]:
    """Make the models, and list what is compared; the baseline first."""
    arch, dataset, work = options.arch, options.dataset, options.work
    work.mkdir(parents=True, exist_ok=True)
    source = load_source(arch, dataset, checkpoint=None, random_weights=options.random_weights, options=None)
    checkpoint, plain = work / f"{arch}_{dataset}.safetensors", work / f"{arch}_{dataset}_plain.onnx"
    info = CheckpointInfo(arch=arch, dataset=dataset, classes=len(source.labels), labels=source.labels)
    save_weights(checkpoint, source.network, info)
    export_plainly(source.network, dataset_info(dataset).size, plain)
    ours = export_onnx(
        arch, dataset=dataset, out=work / default_name(arch, dataset), random_weights=options.random_weights
    ).path
    listed = [
        Contender(name=f"{PLAIN}, ONNX Runtime", path=plain, runtime="onnxruntime", trust=True),
        Contender(name="PyTorch eager", path=checkpoint, trust=True),
        Contender(name="PyTorch compiled", path=checkpoint, runtime="torch-compile", trust=True),
        Contender(name=f"{PLAIN}, OpenVINO", path=plain, runtime="openvino", trust=True),
        Contender(name="ours, ONNX Runtime float32", path=ours, runtime="onnxruntime"),
        Contender(name="ours, OpenVINO float32", path=ours, runtime="openvino"),
        Contender(name="ours, OpenVINO bfloat16", path=ours, runtime="openvino-bf16"),
    ]
    if options.calib_data is not None:
        calibration = CalibrationOptions(data=options.calib_data, samples=options.calib_samples)
        int8 = quantize_int8(ours, calibration).path
        listed += [
            Contender(name="ours, ONNX Runtime INT8", path=int8, runtime="onnxruntime"),
            Contender(name="ours, OpenVINO INT8", path=int8, runtime="openvino"),
            Contender(name="ours, OpenVINO INT8 and bfloat16", path=int8, runtime="openvino-bf16"),
        ]
    parts = options.only.split("/")
    return [entry for entry in listed if entry is listed[0] or any(part in entry.name for part in parts)]


def measure(options: argparse.Namespace, batch: int, entries: list[Contender]) -> tuple[list[Entry], dict[str, str]]:
    """Open all contenders, measure them in turn at one batch size, and compare them with the first."""
    fed: list[tuple[Session, Any]] = []
    names: list[str] = []
    absent: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for entry in entries:
            try:
                session = open_engine(entry.path, threads=options.threads, trust=entry.trust, runtime=entry.runtime)
            except MissingError as error:  # such as a CPU without bfloat16
                if not names:  # without the baseline there is nothing to compare with
                    raise
                absent[entry.name] = error.message
                continue
            stack.enter_context(session)
            pool, _ = make_pool(session.contract, (batch,), None)
            names.append(entry.name)
            fed.append((session, make_buffers(session.contract, pool, batch)))
        measured = measure_in_rounds(
            fed, rounds=options.rounds, turn_s=options.turn, settle_ms=options.settle, alternate=True
        )
    plain = {
        session.info.runtime: rounds
        for name, (session, _), rounds in zip(names, fed, measured, strict=True)
        if name.startswith(PLAIN)
    }
    results = []
    for name, (session, _), rounds in zip(names, fed, measured, strict=True):
        same = plain.get(session.info.runtime, rounds)
        results.append(
            Entry(
                name=name,
                session=session.info,
                rounds=rounds,
                ratio=speed_ratio(rounds.round_images_per_s, measured[0].round_images_per_s),
                ratio_in_runtime=None
                if same is rounds
                else speed_ratio(rounds.round_images_per_s, same.round_images_per_s),
            )
        )
    return results, absent


def show(batch: int, entries: list[Entry], absent: dict[str, str]) -> None:
    """Print one batch size."""
    lines = [f"batch {batch}"]
    for entry in entries:
        speed = f"{entry.rounds.images_per_s:10,.1f} images/s"
        same = "" if entry.ratio_in_runtime is None else f"; in its runtime × {entry.ratio_in_runtime.text()}"
        lines.append(f"  {entry.name:30s}{speed}  × {entry.ratio.text()}{same}")
    lines += [f"  {name}: left out: {reason}" for name, reason in absent.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Measure, print and write the result."""
    options = arguments(words)
    result_file = ResultFile("cpu_runtimes", options, options.arch, options.dataset)
    try:
        if options.rounds < LEAST_ROUNDS:
            raise UsageError(f"--rounds is {options.rounds}; expected at least {LEAST_ROUNDS}.")
        result_file.check()
        entries = contenders(options)
        environment = read_environment()
        found = []
        for batch in map(int, options.batch.split(",")):
            results, absent = measure(options, batch, entries)
            show(batch, results, absent)
            found.append({"batch": batch, "entries": [to_mapping(entry) for entry in results], "absent": absent})
        document = {
            "environment": to_mapping(environment),
            "batches": found,
        }
        result_file.write(document)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"{environment.cpu}, {environment.cpus} CPUs, {' '.join(environment.cpu_features)}\n")
    sys.stdout.write(f"load average before: {environment.load_average_1min}\nwritten to {result_file.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
