"""Runs deployments in forked children, each of which stops at a named point and waits there to be killed.

A line "POINT" on stdin starts a child; "at POINT PID" is answered when it has come there, "done NAMES" when it has
ended by itself, with the stages that it ran. Points are "begin STAGE", "half STAGE" (its first file is written under
its temporary name) and "made STAGE" (its artefacts are whole, its record is not written).
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import ran_deploy.bench.benchmark
import ran_deploy.quant.int8
import ran_deploy.runtime.open_onnx
import ran_deploy.runtime.ort_session  # noqa: F401  # imported once, before the forks
from ran_deploy import files
from ran_deploy.deploying import runner
from ran_deploy.deploying.deploy import deploy
from tests.deploying.small_deployment import OPTIONS, request_of


class Stopper:
    """Stops at one point."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._stage = ""
        places: Any = (files, runner)
        self._sync, self._write = places[0]._sync, places[1].write_record
        places[0]._sync, places[1].write_record = self._half, self._made

    def begin(self, decision: Any, place: int, total: int) -> None:
        self._stage = decision.stage
        self._stop("begin")

    def end(self, decision: Any, record: Any) -> None:
        self._stage = ""

    def _half(self, path: Path) -> None:
        if path.name.endswith(".tmp"):
            self._stop("half")
        self._sync(path)

    def _made(self, folder: Path, record: Any) -> None:
        self._stop("made")
        self._write(folder, record)

    def _stop(self, what: str) -> None:
        if f"{what} {self._stage}" == self._point:
            sys.stdout.write(f"at {self._point} {os.getpid()}\n")
            sys.stdout.flush()
            while True:
                signal.pause()


def main(source: Path, out: Path) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run = deploy(out, request_of(source), OPTIONS, watcher=Stopper(line.strip()))
            sys.stdout.write(f"done {' '.join(run.ran)}\n")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
