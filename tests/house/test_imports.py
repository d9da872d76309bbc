"""The direction of imports, and what importing the package costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ran_deploy

ROOT = Path(ran_deploy.__file__).parent

# Each area may import from the areas to its left of it in the flow, from itself, and from the foundation.
ALLOWED = {
    "data": set(),
    "arch": {"data"},
    "cuda": set(),
    "runtime": {"data", "arch", "cuda"},
    "explaining": {"data", "runtime"},
    "graph": {"data", "arch", "runtime"},
    "train": {"data", "arch"},
    "quant": {"data", "arch", "runtime", "graph"},
    "engine": {"data", "arch", "runtime", "graph", "quant", "profiling"},
    "report": set(),
    "bench": {"data", "runtime", "report"},
    "profiling": {"data", "runtime", "bench"},
    "offline": {"data", "runtime"},
    "serving": {"data", "runtime"},
    "packaging": {"data", "runtime"},
    "machine": {"data", "runtime", "bench"},
    "experiments": {"data", "arch", "runtime", "train", "bench", "report"},
    "deploying": {"data", "arch", "runtime", "graph", "quant", "engine", "bench", "profiling", "report"},
}
FOUNDATION = {
    "errors",
    "interrupts",
    "files",
    "locks",
    "temporaries",
    "config",
    "json_files",
    "seal",
    "manifest",
    "optional",
    "figures",
    "progress",
    "resources",
}
HEAVY = {
    "torch",
    "onnxruntime",
    "tensorrt",
    "tensorrt_rtx",
    "cuda",
    "pycuda",
    "matplotlib",
    "onnx",
    "starlette",
    "uvicorn",
    "grpc",
    "pyarrow",
    "ray",
}


def imports_of(path: Path) -> set[str]:
    """Return the areas of ran_deploy that a file imports, at any level."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("ran_deploy.")}
    return found


@pytest.mark.parametrize("area", sorted(ALLOWED))
def test_imports_point_one_way(area: str) -> None:
    for path in (ROOT / area).glob("*.py"):
        wrong = imports_of(path) - ALLOWED[area] - FOUNDATION - {area}
        assert not wrong, f"{path.relative_to(ROOT.parent)} imports {sorted(wrong)}"


def test_the_foundation_imports_only_itself() -> None:
    for name in FOUNDATION:
        assert imports_of(ROOT / f"{name}.py") <= FOUNDATION


def test_every_area_is_listed() -> None:
    areas = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert areas == {*ALLOWED, "cli"}
    files = {path.stem for path in ROOT.glob("*.py")}
    assert files == {*FOUNDATION, "__init__", "__main__"}


@pytest.mark.parametrize("statement", ["import ran_deploy", "from ran_deploy.cli.app import run; run(['--help'])"])
def test_the_package_and_its_help_are_light(statement: str) -> None:
    script = f"import sys; {statement}; print('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split("MODULES")[1].split())
    assert not modules & HEAVY


def test_the_runtime_needs_no_torch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None;"
        "import ran_deploy.runtime.open, ran_deploy.runtime.ort_session, ran_deploy.offline.to_file,"
        " ran_deploy.runtime.evaluate, ran_deploy.bench.benchmark"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_public_names_are_sorted_and_exist() -> None:
    assert list(ran_deploy.__all__) == sorted(ran_deploy.__all__)
    assert ran_deploy.__all__ == [
        "benchmark",
        "build_engine",
        "compare",
        "create_model",
        "deploy",
        "doctor",
        "evaluate",
        "evaluate_against",
        "evaluate_in_detail",
        "evaluate_with_flip",
        "explain",
        "export_onnx",
        "fetch_dataset",
        "inspect_file",
        "lint",
        "lint_repository",
        "open_dataset",
        "open_engine",
        "package",
        "pareto",
        "predict",
        "predict_to_file",
        "profile",
        "quantize_auto",
        "quantize_fp16",
        "quantize_int8",
        "rebuild",
        "run_experiment",
        "sensitivity",
        "serve",
        "train_network",
        "verify_engines",
    ]
    for name in ran_deploy.__all__:
        assert getattr(ran_deploy, name).__doc__
        assert callable(getattr(ran_deploy, name))
        # Python sets a submodule as an attribute of its package, where it would hide the function of the same name.
        assert not any((ROOT / place).exists() for place in (name, f"{name}.py"))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ran_deploy.nothing  # noqa: B018
    assert set(ran_deploy.__all__) < set(dir(ran_deploy))
