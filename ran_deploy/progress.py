"""Progress on stderr: one line that rewrites itself on a terminal, sparse plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

_TERMINAL_INTERVAL_S = 0.2
_PLAIN_INTERVAL_S = 30.0


class Progress:
    """Counts work done out of a total and prints rate and time left to stderr.

    Args:
        what: What is being done, such as "train" or "download".
        total: Amount of work; 0 when unknown.
        unit: What is counted, such as "images" or "bytes".
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._done = 0
        self._started_s = time.monotonic()
        self._printed_s = self._started_s
        self._terminal = sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> Self:
        """Start counting."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the line, so that what follows starts on its own."""
        if self._terminal and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()

    def advance(self, amount: int, note: str = "") -> None:
        """Add ``amount`` to the work done; ``note`` is shown at the end of the line."""
        self._done += amount
        now_s = time.monotonic()
        if now_s - self._printed_s < (_TERMINAL_INTERVAL_S if self._terminal else _PLAIN_INTERVAL_S):
            return
        self._printed_s = now_s
        line = self._line(now_s, note)
        if self._terminal:
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _line(self, now_s: float, note: str) -> str:
        rate = self._done / max(now_s - self._started_s, 1e-9)
        parts = [self._what]
        if self._total:
            parts.append(f"{100 * self._done / self._total:.0f}%")
            parts.append(f"{duration((self._total - self._done) / max(rate, 1e-9))} left")
        if self._unit == "bytes":
            parts.append(f"{rate / 1e6:.1f} MB/s")
        else:
            parts.append(f"{rate:.0f} {self._unit}/s" if rate >= 10 else f"{rate:.1f} {self._unit}/s")
        if note:
            parts.append(note)
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Return a short text such as "45 s", "3 min" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
