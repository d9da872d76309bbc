"""Our placement of Q/DQ beside NVIDIA ModelOpt's on the same calibration images: accuracy, lint, the builder's layers.

See benchmarks/README.md. ModelOpt needs an environment of its own: it pins onnx~=1.21 and onnxruntime-gpu~=1.24.
"""

import argparse
import contextlib
import importlib.util
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from result_file import ResultFile

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.data.open import open_dataset
from ran_deploy.engine.builder import build_plan
from ran_deploy.engine.flavour import Flavour, load_flavour
from ran_deploy.engine.layers import parse_layers
from ran_deploy.engine.precision import obtained_types
from ran_deploy.engine.profile import make_profile
from ran_deploy.errors import MissingError, RanDeployError
from ran_deploy.manifest import Contract, Manifest
from ran_deploy.optional import versions
from ran_deploy.progress import Progress
from ran_deploy.quant.calibrate import Method
from ran_deploy.quant.calibration_options import CalibrationOptions
from ran_deploy.quant.compute import compute_operators
from ran_deploy.quant.int8 import quantize_int8
from ran_deploy.quant.int8_plan import Backend
from ran_deploy.quant.lint import lint
from ran_deploy.runtime.evaluate import EvalResult, Tally, sample_count, spread_indices
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.paired import PairedAccuracy

FLOAT = "float32"
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to quantize."""

    name: str
    backend: Backend
    method: Method


# The two tools by the method that both have, and ours as it is by default.
WAYS = (
    Way(name="own, entropy", backend="own", method="entropy"),
    Way(name="modelopt, entropy", backend="modelopt", method="entropy"),
    Way(name="own, percentile", backend="own", method="percentile"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What TensorRT-RTX made of a model."""

    size_bytes: int
    layers: int
    by_kind: dict[str, int]
    """Layers by the builder's own word."""
    by_output: dict[str, int]
    """Layers by the type of their first output."""
    compute: dict[str, int]
    """Convolutions and classifier by the type that they are computed in."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare our INT8 placement with ModelOpt's.")
    parser.add_argument("--onnx", type=Path, required=True, help="a float32 file of ran-deploy export")
    parser.add_argument("--data", type=Path, required=True, help="the dataset's folder")
    parser.add_argument("--dataset", help="its name; else the network's own")
    parser.add_argument("--calib-samples", type=int, default=512, help="training images for calibration")
    parser.add_argument("--limit", type=int, help="test images, spread evenly; else all")
    parser.add_argument("--work", type=Path, default=Path("runs/modelopt_int8"), help="where the models go")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def require_modelopt() -> None:
    """Check that ModelOpt is here.

    Raises:
        MissingError: It is not.
    """
    if importlib.util.find_spec("modelopt") is None:
        raise MissingError(
            "nvidia-modelopt is not installed in this environment, and there is nothing to compare with without it.",
            fix="It pins onnx~=1.21 and onnxruntime-gpu~=1.24, so give it an environment of its own: "
            "python -m venv .venv-modelopt && .venv-modelopt/bin/pip install -e '.[modelopt,tensorrt-rtx]'",
        )


def build(path: Path, contract: Contract, flavour: Flavour) -> Plan:
    """Build a model for the default targets, and count its layers; the plan itself is not kept."""
    built = build_plan(
        path,
        contract,
        flavour,
        profile=make_profile(),
        targets=(),
        optimization_level=3,
        workspace_bytes=None,
    )
    layers = parse_layers(built.messages)
    nodes = obtained_types(compute_operators(onnx.load_from_string(built.model)), layers)
    return Plan(
        size_bytes=len(built.plan),
        layers=len(layers),
        by_kind=_counted(layer.kind for layer in layers),
        by_output=_counted(layer.outputs[0] if layer.outputs else "none" for layer in layers),
        compute=_counted(node.obtained for node in nodes),
    )


def accuracy(
    paths: dict[str, Path], dataset: str, data: Path, limit: int | None
) -> tuple[dict[str, EvalResult], dict[str, PairedAccuracy]]:
    """Run all models over the same test images; return each one's accuracy, and the comparisons in pairs."""
    images = open_dataset(dataset, data, "test")
    with contextlib.ExitStack() as stack, Progress("eval", sample_count(images, limit), "images") as progress:
        tallies = {name: Tally(stack.enter_context(open_engine(path)), images) for name, path in paths.items()}
        for indices in spread_indices(images, _BATCH, limit):
            batch = images.batch(indices)
            for tally in tallies.values():
                tally.add(batch, indices)
            progress.advance(len(indices))
        results = {name: tally.result() for name, tally in tallies.items()}
    pairs = [(FLOAT, way.name) for way in WAYS] + [(WAYS[1].name, WAYS[0].name), (WAYS[1].name, WAYS[2].name)]
    return results, {
        f"{candidate} against {reference}": tallies[candidate].against(tallies[reference])
        for reference, candidate in pairs
    }


def show(results: dict[str, EvalResult], pairs: dict[str, PairedAccuracy], made: dict[str, dict[str, Any]]) -> None:
    """Print what matters."""
    lines = [f"{name:20s}{found.top1:7.2f}% of {found.samples:,} test images" for name, found in results.items()]
    for name, paired in pairs.items():
        low, high = paired.difference_ci95
        lines.append(
            f"{name}: {paired.difference_points:+.2f} points (95% interval {low:+.2f} to {high:+.2f}), "
            f"McNemar p {paired.mcnemar_p:.2g}, same class on {paired.agreement:.2f}%"
        )
    for name, found in made.items():
        plan, findings = found["plan"], found["lint"]
        kinds = ", ".join(f"{count} {kind}" for kind, count in plan["by_kind"].items())
        lines += [f"{name}: {plan['layers']} layers ({kinds})", f"  lint: {findings or 'nothing'}"]
    sys.stdout.write("\n".join(lines) + "\n")


def main(words: list[str]) -> int:
    """Quantize in each way, build, evaluate, print and write the result."""
    options = arguments(words)
    result_file = ResultFile("modelopt_int8", options, options.onnx.stem)
    try:
        require_modelopt()
        flavour = load_flavour("tensorrt-rtx")
        result_file.check()
        paths, made = {FLOAT: options.onnx}, {}
        for way in WAYS:
            calibration = CalibrationOptions(
                dataset=options.dataset, data=options.data, samples=options.calib_samples, method=way.method
            )
            path = options.work / f"{options.onnx.stem}_{way.name.replace(', ', '_')}.onnx"
            result = quantize_int8(options.onnx, calibration, backend=way.backend, out=path)
            findings = lint(onnx.load(path))
            paths[way.name] = path
            made[way.name] = {
                "sha256": result.manifest.sha256,
                "calibration": _without_images(result.manifest),
                "parity": result.parity,
                "elapsed_s": result.elapsed_s,
                "qdq_types": result.manifest.precision.obtained,
                "lint": _counted(f"{finding.severity} {finding.rule}" for finding in findings),
                "plan": to_mapping(build(path, result.manifest.contract, flavour)),
            }
        dataset = options.dataset or result.manifest.dataset or ""
        results, pairs = accuracy(paths, dataset, options.data, options.limit)
        document = {
            "environment": to_mapping(read_environment()),
            "versions": versions("nvidia-modelopt", "onnx", "onnxruntime", "onnxruntime-gpu"),
            "builder": {"flavour": flavour.name, "version": flavour.version},
            "models": made,
            "accuracy": to_mapping(results),
            "paired": to_mapping(pairs),
        }
        result_file.write(document)
        show(results, pairs, made)
    except RanDeployError as error:
        sys.stderr.write(f"error: {error.message}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"written to {result_file.path}\n")
    return 0


def _without_images(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in (manifest.calibration or {}).items() if name != "images_sha256"}


def _counted(words: Any) -> dict[str, int]:
    return dict(Counter(words).most_common())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
