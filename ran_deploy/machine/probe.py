"""Libraries asked one by one, each in a child process with a time limit, so that none can take the doctor down."""

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from ran_deploy.machine.child import MARK
from ran_deploy.runtime.threads import usable_cpus

TIMEOUT_S = 120.0
"""A cold import of PyTorch or Model Optimizer takes many seconds on a slow disk."""

_SCRIPT = "import sys; sys.path[:] = {path!r}; from ran_deploy.machine.child import main; main({name!r})"

State = Literal["ok", "absent", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found out about one library."""

    state: State
    facts: dict[str, Any] = field(default_factory=dict)
    """What it says of itself, its version first."""
    reason: str = ""
    """Why it cannot be used, for "broken" and "absent"."""


def probe_all(names: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> dict[str, Probe]:
    """Probe several libraries at once.

    Args:
        names: Keys of :data:`ran_deploy.machine.child.PROBES`.
        timeout_s: How long one may take, in seconds.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(4, usable_cpus()))) as pool:
        return dict(zip(names, pool.map(lambda name: probe(name, timeout_s=timeout_s), names), strict=True))


def probe(name: str, *, timeout_s: float = TIMEOUT_S) -> Probe:
    """Probe one library; never raises."""
    if name != "driver" and not _installed(name):
        return Probe(state="absent", reason="not installed")
    script = _SCRIPT.format(path=sys.path, name=name)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe(state="broken", reason=f"its import did not end within {timeout_s:g} s")
    except OSError as error:
        return Probe(state="broken", reason=f"no process could be started: {error}")
    return _read(done.returncode, done.stdout.decode(errors="replace"))


def _read(code: int, output: str) -> Probe:
    answers = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    if not answers:
        return Probe(state="broken", reason=f"its import {_ending(code)}")
    answer = json.loads(answers[-1])
    if "absent" in answer:
        return Probe(state="absent", reason=answer["absent"])
    if "error" in answer:
        return Probe(state="broken", reason=answer["error"])
    return Probe(state="ok", facts=answer["facts"])


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended the process with the exit code {code}"
    try:
        return f"crashed with {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by the signal {-code}"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):  # a parent package that is missing or broken
        return False
