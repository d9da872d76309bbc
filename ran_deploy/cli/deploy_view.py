"""What a person sees while a deployment runs: a line for each stage, the running one alive on a terminal."""

import os
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ran_deploy.deploying.result import StageRecord
    from ran_deploy.deploying.stage import Decision

_TICK_S = 1.0
_NAME = 28
_MARKS = {"done": "✓", "reused": "=", "rejected": "✗", "failed": "✗", "skipped": "–"}
_COLOURS = {"done": "32", "reused": "2", "rejected": "31", "failed": "31", "skipped": "2"}


class StageView:
    """Prints stages to stderr; a :class:`ran_deploy.deploying.runner.Watcher`.

    On a terminal the running stage is the last line, with its time and what it says of its progress; elsewhere each
    stage is a plain line when it begins and when it ends, and what it says follows as it is.

    Args:
        explain: Say of each stage why it runs.
    """

    def __init__(self, *, explain: bool) -> None:
        self._explain = explain
        self._terminal = sys.stderr.isatty()
        self._live: _LiveLine | None = None

    def begin(self, decision: "Decision", place: int, total: int) -> None:
        """Show that a stage runs."""
        if self._explain:
            _write(sys.stderr, f"{'':2}{decision.stage:<{_NAME}} runs: {decision.why}\n")
        if self._terminal:
            self._live = _LiveLine(decision.stage, f"{place}/{total}")
            self._live.start()
        elif not self._explain:
            _write(sys.stderr, f"{'':2}{decision.stage:<{_NAME}} runs ({place}/{total})\n")

    def end(self, decision: "Decision", record: "StageRecord") -> None:
        """Show what came of a stage."""
        self.stop()
        state = "reused" if decision.action == "reuse" and record.status == "done" else record.status
        took = f"{record.seconds:8.1f} s" if decision.action == "run" else f"{'reused' if record.seconds else '':>10}"
        text = {"done": record.summary, "skipped": record.reason}.get(
            record.status, f"{record.status}: {record.reason}"
        )
        line = f"{_MARKS[state]} {record.name:<{_NAME}} {took}  {text}"
        if self._terminal and "NO_COLOR" not in os.environ:
            line = f"\x1b[{_COLOURS[state]}m{line[:1]}\x1b[0m{line[1:]}"
        _write(sys.stderr, line + "\n")
        if self._explain and decision.action == "reuse":
            _write(sys.stderr, f"{'':2}{'':<{_NAME}} kept: {decision.why}\n")

    def stop(self) -> None:
        """Take the live line away, also where a stage was interrupted."""
        if self._live is not None:
            self._live.close()
            self._live = None


class _LiveLine:
    """The last line of a terminal, which takes the place of stderr meanwhile."""

    def __init__(self, name: str, place: str) -> None:
        self._name, self._place = name, place
        self._stream: TextIO = sys.stderr
        self._note = self._partial = ""
        self._started_s = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="deploy-view", daemon=True)

    def start(self) -> None:
        """Begin to show."""
        sys.stderr = self
        self._draw()
        self._thread.start()

    def close(self) -> None:
        """End, and leave an empty line."""
        if self._ended.is_set():  # by a library that closes what it took for stderr
            return
        self._ended.set()
        self._thread.join()
        sys.stderr = self._stream
        with self._lock:
            _write(self._stream, "\r\x1b[K")

    def write(self, text: str) -> int:
        """Take what a stage says: a line that rewrites itself becomes the note, whole lines stay above."""
        with self._lock:
            *lines, self._partial = (self._partial + text).split("\n")
            for line in lines:
                if shown := line.rpartition("\r")[2].strip():
                    _write(self._stream, f"\r\x1b[K  {shown}\n")
            self._note = self._partial.rpartition("\r")[2].strip()
        if not self._ended.is_set():
            self._draw()
        return len(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._stream.flush()

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def fileno(self) -> int:
        """Return the terminal's descriptor."""
        return self._stream.fileno()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            self._draw()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        with self._lock:
            seconds = time.monotonic() - self._started_s
            line = f"… {self._name:<{_NAME}} {seconds:8.0f} s  {self._note}"
            room = max(width - len(self._place) - 1, 0)
            _write(self._stream, f"\r\x1b[K{line[:room]:<{room}} {self._place}")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
