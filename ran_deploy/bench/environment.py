"""The machine and the software that a measurement was taken with: read only, nothing is changed."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ran_deploy import __version__
from ran_deploy.optional import versions
from ran_deploy.runtime.cpu import cpu_facts, cpu_features, cpu_field, system_file
from ran_deploy.runtime.threads import usable_cpus

_DISTRIBUTIONS = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "torch",
    "tensorrt",
    "tensorrt-rtx-cu13",
)
_GPU_FIELDS = ("name", "driver_version", "compute_cap", "clocks.sm", "clocks.mem", "temperature.gpu", "power.draw")
_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a latency depends on beside the engine."""

    cpu: str
    """Model name of the processor."""
    cpu_features: tuple[str, ...]
    """Those instruction sets of the processor that decide how fast INT8 and bfloat16 are, as Linux names them."""
    cpus: int
    """CPUs that this process may use."""
    cores: int | None
    """Physical cores of the machine; None where the system does not tell."""
    governor: str | None
    """Frequency governor of the first CPU; None where the system does not tell."""
    memory_bytes: int | None
    os: str
    python: str
    versions: dict[str, str]
    load_average_1min: float | None
    """Processes that ran or waited in the minute before the measurement, this one included."""
    cpu_mhz: float | None = None
    """Mean frequency of the CPUs before the measurement; None where the system does not tell."""
    cpu_quota: float | None = None
    """CPUs' worth of time that the container may use (cgroup v1 or v2); None: no limit that is visible."""
    container: bool = False
    """Whether signs of a container were found."""
    gpus: tuple[dict[str, str], ...]
    """For each NVIDIA GPU what nvidia-smi says: name, driver, clocks in MHz, temperature in °C, power in W."""


def read_environment() -> Environment:
    """Read the environment as it is now."""
    info = cpu_facts()
    return Environment(
        cpu=cpu_field(info, "model name") or platform.processor() or platform.machine(),
        cpu_features=cpu_features(info),
        cpus=usable_cpus(),
        cores=_cores(info),
        governor=system_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        memory_bytes=_kibibytes(system_file("/proc/meminfo"), "MemTotal"),
        os=platform.platform(),
        python=platform.python_version(),
        versions={"ran-deploy": __version__, **versions(*_DISTRIBUTIONS)},
        load_average_1min=load_average(),
        cpu_mhz=cpu_mhz(),
        cpu_quota=_cpu_quota(),
        container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        gpus=_gpus(),
    )


def load_average() -> float | None:
    """Return the processes that ran or waited in the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def cpu_mhz() -> float | None:
    """Return the mean frequency of the CPUs at this moment, in MHz; None where the system does not tell."""
    rates = [float(line.partition(":")[2]) for line in cpu_facts().splitlines() if line.startswith("cpu MHz")]
    return sum(rates) / len(rates) if rates else None


def _cpu_quota() -> float | None:
    quota, _, period = system_file("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    if not quota:
        quota = system_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = system_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit():  # "max" and "-1" mean no limit
        return None
    return int(quota) / int(period)


def peak_rss_bytes() -> int | None:
    """Return the most memory that this process has held at once, in bytes; None where the system does not tell."""
    return _kibibytes(system_file("/proc/self/status"), "VmHWM")


def _kibibytes(text: str, name: str) -> int | None:
    value = cpu_field(text, name)
    return int(value.split()[0]) * 1024 if value else None


def _cores(info: str) -> int | None:
    physical = core = ""
    cores = set()
    for line in info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "physical id":
            physical = value.strip()
        elif key.strip() == "core id":
            core = value.strip()
            cores.add((physical, core))
    return len(cores) or None


def _gpus() -> tuple[dict[str, str], ...]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    query = [command, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = (line.split(", ") for line in answer.splitlines() if line.strip())
    return tuple(dict(zip(_GPU_FIELDS, row, strict=False)) for row in rows)
