"""``doctor``: what is on this machine, what of ran-deploy works with it, and how to mend the rest."""

import platform
import sys
from dataclasses import dataclass

from ran_deploy import __version__
from ran_deploy.bench.environment import Environment, read_environment
from ran_deploy.machine.commands import JOBS, Ability, judge
from ran_deploy.machine.hardware import Advice, cpu_advice, gpu_advice
from ran_deploy.machine.packages import KNOWN, Package, conflicts, describe, installed_onnxruntimes, read_requirements
from ran_deploy.machine.probe import Probe, probe_all

_DRIVER = "driver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong, and what to do about it."""

    text: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """The state of this machine."""

    version: str
    """Of ran-deploy."""
    python: str
    environment: Environment | None
    """None where it could not be read, see ``problems``."""
    driver: Probe
    """The NVIDIA driver: the highest CUDA version that it runs, and the first GPU."""
    packages: tuple[Package, ...]
    abilities: tuple[Ability, ...]
    advice: tuple[Advice, ...]
    problems: tuple[Problem, ...]
    """Conflicts and broken packages, the worst first."""


def doctor() -> DoctorReport:
    """Look at this machine: packages, providers, devices, driver, CPU; each in a process that may crash.

    Nothing is installed, changed or sent anywhere. A part that cannot be read is named in ``problems``; nothing is
    raised.
    """
    probes = probe_all([*(known.module for known in KNOWN), _DRIVER])
    requirements = read_requirements()
    onnxruntimes = installed_onnxruntimes()
    packages = tuple(describe(known, probes[known.module], requirements, onnxruntimes) for known in KNOWN)
    problems = [Problem(text=text, fix=fix) for text, fix in conflicts(onnxruntimes)]
    problems += [
        Problem(text=f"{package.name}: {package.reason}", fix=package.fix)
        for package in packages
        if package.state in ("broken", "unsuitable")
    ]
    environment = None
    try:
        environment = read_environment()
    except Exception as error:  # a doctor has to go on where a benchmark would not
        text = f"The environment cannot be read: {type(error).__name__}: {error}"
        problems.append(Problem(text=text, fix="Please report this."))
    driver = probes[_DRIVER]
    by_name = {package.name: package for package in packages}
    return DoctorReport(
        version=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        environment=environment,
        driver=driver,
        packages=packages,
        abilities=tuple(judge(job, by_name, driver) for job in JOBS),
        advice=(*(cpu_advice(environment) if environment is not None else ()), gpu_advice(driver)),
        problems=tuple(problems),
    )
