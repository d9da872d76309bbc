import importlib.metadata

import pytest

from ran_deploy.machine.packages import KNOWN, Known, conflicts, describe, read_requirements, suits
from ran_deploy.machine.probe import Probe

TORCH = Known(module="torch", distributions=("torch",), extra="train")
TENSORRT = Known(module="tensorrt", distributions=("tensorrt",), extra="tensorrt")


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.13.0+cpu", ">=2.9,<2.14", True),
        ("2.14.0", ">=2.9,<2.14", False),
        ("2.14", ">=2.9,<2.14", False),
        ("2.9", ">=2.9,<2.14", True),
        ("2.8.1", ">=2.9,<2.14", False),
        ("10.9.0.34", ">=10.12", False),
        ("10.12.0.36", ">=10.12", True),
        ("2026.4.1", ">=2026.0", True),
        ("1.0", "", True),
        ("1.0", "==1.0.0", True),
        ("nightly", ">=3", True),
    ],
)
def test_ranges_of_versions(version: str, wanted: str, fits: bool) -> None:
    assert suits(version, wanted) is fits


def test_a_version_out_of_range_is_unsuitable_with_its_fix() -> None:
    found = describe(TORCH, Probe(state="ok", facts={"version": "2.14.0", "gpus": 0}), {"torch": ">=2.9,<2.14"}, {})
    assert (found.state, found.reason) == ("unsuitable", "version 2.14.0 is not >=2.9,<2.14")
    assert found.fix == "pip install 'torch>=2.9,<2.14'"
    assert found.facts == {"gpus": 0}
    old = describe(TENSORRT, Probe(state="ok", facts={"version": "10.9.0.34"}), {"tensorrt": ">=10.12"}, {})
    assert (old.state, old.fix) == ("unsuitable", "pip install 'tensorrt>=10.12'")


def test_absent_and_broken_packages_have_their_fix() -> None:
    absent = describe(TENSORRT, Probe(state="absent", reason="not installed"), {}, {})
    assert absent.fix == "pip install 'ran-deploy[tensorrt]'"
    broken = describe(TORCH, Probe(state="broken", reason="its import crashed with SIGSEGV"), {}, {})
    assert (broken.state, broken.fix) == ("broken", "pip install --force-reinstall torch")
    fine = describe(TORCH, Probe(state="ok", facts={"version": "2.13.0"}), {"torch": ">=2.9,<2.14"}, {})
    assert (fine.state, fine.fix) == ("ok", "")


def test_no_fix_makes_a_conflict() -> None:
    (cuda,) = (known for known in KNOWN if known.module == "cuda.core")
    assert cuda.install({}) == "pip install 'ran-deploy[gpu]'"
    assert cuda.install({"onnxruntime-gpu": "1.31"}) == "pip install 'ran-deploy[gpu]'"
    assert cuda.install({"onnxruntime": "1.31"}) == "pip uninstall -y onnxruntime && pip install 'ran-deploy[gpu]'"


def test_two_distributions_of_one_package_are_a_conflict() -> None:
    assert conflicts({"onnxruntime": "1.31"}) == ()
    ((text, fix),) = conflicts({"onnxruntime": "1.31", "onnxruntime-gpu": "1.30"})
    assert text.startswith("onnxruntime and onnxruntime-gpu are installed side by side")
    assert fix == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'ran-deploy[gpu]'"


def test_the_ranges_come_from_the_package_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "numpy>=1.26",
        "torch<2.14,>=2.9; extra == 'train'",
        "nvidia-modelopt[onnx]>=0.47; extra == 'modelopt'",
        "pycuda; extra == 'pycuda'",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert read_requirements() == {
        "numpy": ">=1.26",
        "torch": ">=2.9,<2.14",
        "nvidia-modelopt": ">=0.47",
        "pycuda": "",
    }

    def fail(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", fail)
    assert read_requirements() == {}


def test_every_package_that_can_be_required_is_known() -> None:
    """What :mod:`ran_deploy.optional` can miss, the doctor must be able to look for, with the same extra."""
    from ran_deploy.optional import _EXTRAS

    known = {known.module: known.extra for known in KNOWN}
    for module, extra in _EXTRAS.items():
        (name,) = {name for name in known if module == name or module.startswith(f"{name}.")}
        assert known[name] == extra, module
