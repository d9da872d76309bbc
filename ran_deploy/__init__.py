"""ran-deploy: Residual Attention Networks from trained weights to engines that a service can trust."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ran_deploy.arch.registry import create_model as create_model
    from ran_deploy.bench.benchmark import benchmark as benchmark
    from ran_deploy.bench.compare import compare as compare
    from ran_deploy.bench.pareto import pareto as pareto
    from ran_deploy.data.download import fetch_dataset as fetch_dataset
    from ran_deploy.data.open import open_dataset as open_dataset
    from ran_deploy.deploying.deploy import deploy as deploy
    from ran_deploy.deploying.rebuild import rebuild as rebuild
    from ran_deploy.engine.build import build_engine as build_engine
    from ran_deploy.engine.inspect import inspect_file as inspect_file
    from ran_deploy.experiments.run import run_experiment as run_experiment
    from ran_deploy.explaining.explain import explain as explain
    from ran_deploy.graph.export import export_onnx as export_onnx
    from ran_deploy.graph.verify import verify_engines as verify_engines
    from ran_deploy.machine.diagnose import doctor as doctor
    from ran_deploy.offline.predict import predict as predict
    from ran_deploy.offline.to_file import predict_to_file as predict_to_file
    from ran_deploy.packaging.lint import lint_repository as lint_repository
    from ran_deploy.packaging.package import package as package
    from ran_deploy.profiling.profile import profile as profile
    from ran_deploy.quant.auto import quantize_auto as quantize_auto
    from ran_deploy.quant.int8 import quantize_int8 as quantize_int8
    from ran_deploy.quant.lint import lint as lint
    from ran_deploy.quant.quantize import quantize_fp16 as quantize_fp16
    from ran_deploy.quant.sensitivity import sensitivity as sensitivity
    from ran_deploy.runtime.against import evaluate_against as evaluate_against
    from ran_deploy.runtime.detail import evaluate_in_detail as evaluate_in_detail
    from ran_deploy.runtime.evaluate import evaluate as evaluate
    from ran_deploy.runtime.flip import evaluate_with_flip as evaluate_with_flip
    from ran_deploy.runtime.open import open_engine as open_engine
    from ran_deploy.serving.serve import serve as serve
    from ran_deploy.train.run import train_network as train_network

__version__ = "0.1.0"

_HOMES = {
    "benchmark": "ran_deploy.bench.benchmark",
    "build_engine": "ran_deploy.engine.build",
    "compare": "ran_deploy.bench.compare",
    "create_model": "ran_deploy.arch.registry",
    "deploy": "ran_deploy.deploying.deploy",
    "doctor": "ran_deploy.machine.diagnose",
    "evaluate": "ran_deploy.runtime.evaluate",
    "evaluate_against": "ran_deploy.runtime.against",
    "evaluate_in_detail": "ran_deploy.runtime.detail",
    "evaluate_with_flip": "ran_deploy.runtime.flip",
    "explain": "ran_deploy.explaining.explain",
    "export_onnx": "ran_deploy.graph.export",
    "fetch_dataset": "ran_deploy.data.download",
    "inspect_file": "ran_deploy.engine.inspect",
    "lint": "ran_deploy.quant.lint",
    "lint_repository": "ran_deploy.packaging.lint",
    "open_dataset": "ran_deploy.data.open",
    "open_engine": "ran_deploy.runtime.open",
    "package": "ran_deploy.packaging.package",
    "pareto": "ran_deploy.bench.pareto",
    "predict": "ran_deploy.offline.predict",
    "predict_to_file": "ran_deploy.offline.to_file",
    "profile": "ran_deploy.profiling.profile",
    "quantize_auto": "ran_deploy.quant.auto",
    "quantize_fp16": "ran_deploy.quant.quantize",
    "quantize_int8": "ran_deploy.quant.int8",
    "rebuild": "ran_deploy.deploying.rebuild",
    "run_experiment": "ran_deploy.experiments.run",
    "sensitivity": "ran_deploy.quant.sensitivity",
    "serve": "ran_deploy.serving.serve",
    "train_network": "ran_deploy.train.run",
    "verify_engines": "ran_deploy.graph.verify",
}

__all__ = [  # noqa: PLE0604
    *sorted(_HOMES),
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used, so that importing the package is cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
