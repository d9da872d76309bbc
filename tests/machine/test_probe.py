"""Probes of libraries that are sound, absent, broken, crashing or stuck; each is a real package on the path."""

from pathlib import Path

import pytest

from ran_deploy.machine.child import PROBES
from ran_deploy.machine.packages import KNOWN
from ran_deploy.machine.probe import probe, probe_all


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that comes first on the path, here and in child processes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(source)


def test_a_library_that_works(fake: Path) -> None:
    write(fake, "tensorrt", "print('noise without a newline', end='')\n__version__ = '11.2.0.9'\n")
    found = probe("tensorrt")
    assert (found.state, found.reason) == ("ok", "")
    assert found.facts == {"version": "11.2.0.9", "builder": "none, runtime only"}


def test_a_builder_that_cannot_start_is_broken(fake: Path) -> None:
    source = "__version__ = '11'\nclass Logger:\n    ERROR = 1\n    def __init__(self, level): pass\n"
    write(fake, "tensorrt", source + "def Builder(logger): raise RuntimeError('libnvinfer.so: no such file\\nmore')\n")
    found = probe("tensorrt")
    assert (found.state, found.reason) == ("broken", "RuntimeError: libnvinfer.so: no such file")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('libcudart.so.13: cannot open')", "ImportError: libcudart.so.13: cannot open"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError", "ValueError: no message"),
        ("import os; os._exit(9)", "its import ended the process with the exit code 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its import crashed with SIGSEGV"),
        ("1 +", "SyntaxError: invalid syntax (__init__.py, line 1)"),
    ],
)
def test_broken_libraries_are_reported_with_the_reason(source: str, reason: str, fake: Path) -> None:
    write(fake, "tensorrt", source)
    found = probe("tensorrt")
    assert (found.state, found.reason) == ("broken", reason)


def test_a_library_that_hangs_is_given_up(fake: Path) -> None:
    write(fake, "tensorrt", "import time\nwhile True:\n    time.sleep(1)\n")
    found = probe("tensorrt", timeout_s=0.3)
    assert (found.state, found.reason) == ("broken", "its import did not end within 0.3 s")


def test_absent_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert probe("pycuda").state == "absent"

    def fail(name: str) -> None:
        raise ModuleNotFoundError(name)  # what find_spec does where a parent package is missing

    monkeypatch.setattr("importlib.util.find_spec", fail)
    assert probe("cuda.core").state == "absent"


def test_several_at_once_and_the_driver(fake: Path) -> None:
    write(fake, "tensorrt", "raise ImportError('no')")
    found = probe_all(["onnxruntime", "tensorrt", "driver"])
    assert list(found) == ["onnxruntime", "tensorrt", "driver"]
    assert "CPUExecutionProvider" in found["onnxruntime"].facts["providers"]
    assert found["tensorrt"].state == "broken"
    driver = found["driver"]
    assert (driver.state == "ok") is ("capability" in driver.facts)  # with and without a GPU
    assert bool(driver.reason) is (driver.state != "ok")


def test_every_package_that_is_known_has_its_probe() -> None:
    assert {known.module for known in KNOWN} == set(PROBES) - {"driver"}
