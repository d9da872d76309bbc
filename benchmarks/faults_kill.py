"""SIGKILL at random moments of train, export, quantize, build and deploy: what is left, and whether it goes on.

See benchmarks/README.md. Each trial runs the stage in a forked process (the libraries are loaded once, so that the kill
falls into the work and not into imports), kills it after a random share of the time that it takes undisturbed, looks at
the folder, and runs the same stage again to its end. Wrong is: a file that opens though it is not whole; an earlier
artefact that is lost; a second run that fails, or ends in other bytes than an undisturbed one.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_stages import STAGES, Stage, prepare
from result_file import ResultFile

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.errors import IntegrityError, RanDeployError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import verified_manifest
from ran_deploy.progress import Progress

_BEYOND = 1.05
"""Kills fall between nothing and a little after the end, so that the last rename is met, too."""


@dataclass(slots=True)
class Tally:
    """What the trials of one stage came to."""

    trials: int = 0
    killed: int = 0
    """Trials in which the process had not ended before."""
    found: Counter[str] = field(default_factory=Counter)
    """The artefact after the kill: absent, whole, refused (file and manifest of two runs)."""
    debris: int = 0
    """Temporary files after the kill."""
    debris_after: int = 0
    """Temporary files after the second run."""
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A stage that nobody kills."""

    made: dict[str, str]
    """The digest of each artefact, by its name."""
    duration_s: float


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Kill stages at random moments, and run them again.")
    parser.add_argument("--kills", type=int, default=100, help="trials of each stage")
    parser.add_argument("--stage", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


def forked(work: Callable[[], Any]) -> int:
    """Run ``work`` in a child process, in silence; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        work()
        code = 0
    except RanDeployError as error:
        code = error.exit_code
    finally:
        os._exit(code)


def wait(child: int) -> int:
    """Return the exit code of a child; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(artefacts: list[Path]) -> str:
    """Say in what state artefacts are; "torn" must never be met."""
    states = set()
    for path in artefacts:
        if not path.exists():
            states.add("absent")
            continue
        try:
            states.add("whole" if verified_manifest(path) is not None else "torn")
        except IntegrityError:
            states.add("refused")
    return states.pop() if len(states) == 1 else "mixed: " + ", ".join(sorted(states))


def one_trial(stage: Stage, inputs: Path, whole: "Undisturbed", tally: Tally, share: float) -> None:
    """Kill the stage once after a share of its time, look, and run it again."""
    expected = whole.made
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{stage.name}-"))
    try:
        shutil.copytree(inputs, folder, dirs_exist_ok=True)
        before = {path: sha256_file(path) for path in folder.rglob("*") if path.is_file()}
        child = forked(lambda: stage.run(folder))
        time.sleep(share * whole.duration_s)
        os.kill(child, signal.SIGKILL)
        code = wait(child)
        tally.trials += 1
        tally.killed += code == -signal.SIGKILL
        state = look([folder / name for name in expected])
        tally.found[state] += 1
        tally.debris += len(_debris(folder))
        if "torn" in state:
            tally.wrong.append(f"{stage.name} at {share:.4f}: {state}")
        lost = [path.name for path, digest in before.items() if not path.exists() or sha256_file(path) != digest]
        if lost:
            tally.wrong.append(f"{stage.name} at {share:.4f}: {lost} changed")
        code = wait(forked(lambda: stage.run(folder)))
        made = {name: _digest(folder / name, stage) for name in expected}
        if code or made != expected:
            tally.wrong.append(f"{stage.name} at {share:.4f}: the second run ended in {code}, {made}")
        tally.debris_after += len(_debris(folder))
    finally:
        shutil.rmtree(folder)


def _digest(path: Path, stage: Stage) -> str:
    if not path.exists():
        return "absent"
    if not stage.reproducible:  # a plan: whole by its manifest is all that two builds have in common
        return look([path])
    return sha256_file(path)


def _debris(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.tmp*"))


def undisturbed(stage: Stage, inputs: Path) -> Undisturbed:
    """Run a stage to its end."""
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{stage.name}-"))
    try:
        shutil.copytree(inputs, folder, dirs_exist_ok=True)
        times = []
        for _ in range(2):  # the first warms the caches of the disk
            shutil.rmtree(folder)
            shutil.copytree(inputs, folder)
            begun = time.monotonic()
            if code := wait(forked(lambda: stage.run(folder))):
                raise SystemExit(f"{stage.name} fails undisturbed, with exit code {code}")
            times.append(time.monotonic() - begun)
        made = {name: _digest(folder / name, stage) for name in stage.makes}
        return Undisturbed(made=made, duration_s=times[-1])
    finally:
        shutil.rmtree(folder)


def main(words: list[str]) -> int:
    """Run the trials, write the result and print it; 3 if anything was wrong."""
    options = arguments(words)
    result_file = ResultFile("faults_kill", options)
    result_file.check()
    source = random.Random(options.seed)  # noqa: S311  # not for secrets
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        os.environ["RAN_DEPLOY_CACHE"] = str(Path(place) / "cache")
        for name in options.stage:
            stage = STAGES[name]
            inputs = prepare(stage, Path(place) / name)
            whole = undisturbed(stage, inputs)
            tally = Tally()
            with Progress(f"kill {name}", options.kills, "trials") as progress:
                for _ in range(options.kills):
                    one_trial(stage, inputs, whole, tally, source.uniform(0, _BEYOND))
                    progress.advance(1)
            found[name] = {"undisturbed_s": whole.duration_s, **to_mapping(tally)}
    document = {
        "environment": to_mapping(read_environment()),
        "stages": found,
    }
    result_file.write(document)
    wrong = [text for stage in found.values() for text in stage["wrong"]]
    for name, stage in found.items():
        states = ", ".join(f"{count} {state}" for state, count in sorted(stage["found"].items()))
        sys.stdout.write(
            f"{name:9s} {stage['killed']} of {stage['trials']} killed; {states}; temporary files {stage['debris']}, "
            f"after the second run {stage['debris_after']}; wrong {len(stage['wrong'])}\n"
        )
    sys.stdout.write("\n".join([*wrong, f"written to {result_file.path}"]) + "\n")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
