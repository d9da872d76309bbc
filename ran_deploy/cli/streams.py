"""Standard streams that fail no command: closed ones, readers that leave, characters that a terminal lacks."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from ran_deploy.files import write_error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def prepare_streams() -> None:
    """Replace this process's standard streams.

    Where the reader of stdout or stderr leaves (``| head -1``), the work goes on, and the exit code tells how it ended.
    Nor is it a reason to end the work that stderr cannot be written, as on a full disk; for stdout that is an error.
    A stream that the caller closed (``>&-``) leads nowhere, so that no file which is opened later takes its number.
    """
    sys.stdin = sys.stdin or _nowhere(0, "r")
    sys.stdout = _forgiving(sys.stdout, must_be_whole=True) if sys.stdout else _nowhere(1, "w")
    sys.stderr = _forgiving(sys.stderr, must_be_whole=False) if sys.stderr else _nowhere(2, "w")


class _Forgiving(io.FileIO):
    """Takes what cannot be written; where it must be whole, a failure is said once, unless the reader has left."""

    def __init__(self, number: int, *, must_be_whole: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._must_be_whole = must_be_whole
        self._failed = False

    def write(self, data: "ReadableBuffer", /) -> int:
        size = memoryview(data).nbytes
        if self._failed:
            return size
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            if self._must_be_whole and not isinstance(error, BrokenPipeError):
                raise write_error(Path("stdout"), error) from error
            return size


def _forgiving(stream: TextIO, *, must_be_whole: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(_Forgiving(stream.fileno(), must_be_whole=must_be_whole)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=cast("io.TextIOWrapper", stream).line_buffering,
    )


def _nowhere(number: int, mode: str) -> TextIO:
    stream = cast("TextIO", Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    try:
        os.fstat(number)
    except OSError:
        os.dup2(stream.fileno(), number)
    return stream
