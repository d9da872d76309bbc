"""Measure in fresh processes, one after another: what differs between them, no single process can show."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ran_deploy
from ran_deploy import errors
from ran_deploy.bench.measure import measure
from ran_deploy.bench.request import Measured, Request
from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import RanDeployError
from ran_deploy.files import write_text
from ran_deploy.json_files import read_json

_ERRORS = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}


def measure_in_processes(request: Request) -> list[Measured]:
    """Measure in as many fresh processes as the options say; one: in this process.

    Raises:
        RanDeployError: As :func:`ran_deploy.bench.measure.measure`, or a process was killed.
    """
    count = request.options.processes
    return [measure(request)] if count == 1 else [_measure_apart(request) for _ in range(count)]


def _measure_apart(request: Request) -> Measured:
    with tempfile.TemporaryDirectory(prefix="ran-deploy-bench-") as folder:
        question, answer = Path(folder, "request.json"), Path(folder, "measured.json")
        question.write_text(json.dumps(to_mapping(request)), encoding="utf-8")
        command = [sys.executable, "-m", "ran_deploy.bench.processes", str(question), str(answer)]
        # The very code that runs here, wherever it was imported from.
        home = str(Path(ran_deploy.__file__).parents[1])
        paths = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
        # In a process group of its own, so that Ctrl-C reaches this process alone, which then ends that one.
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=False, process_group=0)
        if not answer.exists():
            raise RanDeployError(
                f"A process of the benchmark ended with code {done.returncode} and no result.",
                fix="Look for its message above; a code of -9 often means that memory ran out.",
            )
        document = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in document:
        raise _revived(document["error"])
    return from_mapping(Measured, document, where="the result of a process", error=RanDeployError)


def _revived(error: Mapping[str, str]) -> RanDeployError:
    return _ERRORS[error["type"]](error["message"], fix=error["fix"])  # type: ignore[no-any-return]


def _child(question: Path, answer: Path) -> None:
    try:
        document = to_mapping(measure(read_json(Request, question)))
    except RanDeployError as error:
        document = {"error": {"type": type(error).__name__, "message": error.message, "fix": error.fix}}
    write_text(answer, json.dumps(document))  # whole or absent


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Path(sys.argv[2]))
