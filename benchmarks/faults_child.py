"""Cases in child processes that may crash: what each came to, the crashes included."""

import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

_MOST_BYTES = 6 << 30
"""Address space of a child: a forged length must not take the machine down."""
_HANGS_S = 120
"""Seconds of computing after which a case counts as hanging."""

C = TypeVar("C")


def outcomes(cases: Sequence[C], judge: Callable[[C], str]) -> Iterator[tuple[C, str]]:
    """Judge each case in a child process; yield "crash: SIGNAL" for one that ends its process.

    Args:
        cases: What is judged.
        judge: Says in one line what a case came to; called in a child.
    """
    done = 0
    while done < len(cases):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _work(cases[done:], judge, writer)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield cases[done], line.rstrip("\n")
                done += 1
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if done < len(cases):
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            yield cases[done], f"crash: {name}"
            done += 1


def _work(cases: Sequence[C], judge: Callable[[C], str], writer: int) -> None:
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        for case in cases:
            signal.setitimer(signal.ITIMER_VIRTUAL, _HANGS_S)  # SIGVTALRM ends the process
            os.write(writer, (judge(case).replace("\n", " ")[:300] + "\n").encode("utf-8", "replace"))
        code = 0
    finally:
        os._exit(code)


def scratch(place: Path, name: str, content: bytes) -> Path:
    """Write a case's file, over that of the case before."""
    path = place / name
    path.write_bytes(content)
    return path
