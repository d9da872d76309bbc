import os
import platform
import stat
from pathlib import Path

import numpy as np
import pytest

from ran_deploy import __version__
from ran_deploy.bench.environment import peak_rss_bytes, read_environment


def test_describes_this_machine() -> None:
    environment = read_environment()
    assert environment.python == platform.python_version()
    assert environment.versions["ran-deploy"] == __version__
    assert environment.versions["numpy"] == np.__version__
    assert 1 <= environment.cpus <= (os.cpu_count() or 1)
    assert environment.cpu


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_rss_bytes()
    assert before is not None
    held = np.ones(before // 8 + (32 << 20) // 8)  # as much as all before, and 32 MiB
    after = peak_rss_bytes()
    assert after is not None
    assert after >= before + (16 << 20)
    assert held.nbytes > before


def _fake_smi(folder: Path, script: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_reads_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_smi(tmp_path, "echo 'NVIDIA L4, 580.10, 8.9, 210, 405, 31, 11.5'; echo 'NVIDIA L4, 580.10, 8.9, 1, 2, 3, 4'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    first, second = read_environment().gpus
    assert (first["name"], first["compute_cap"], first["power.draw"]) == ("NVIDIA L4", "8.9", "11.5")
    assert second["temperature.gpu"] == "3"


@pytest.mark.parametrize("script", ["exit 9", "kill -9 $$"])
def test_nvidia_smi_that_fails_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    _fake_smi(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_environment().gpus == ()
