"""The log's lines."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from ran_deploy.serving.logs import LogFormat, LogLevel, start_log, stop_log

LOG = logging.getLogger("ran_deploy.serving")
Start = Callable[[LogFormat, LogLevel], io.StringIO]


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def begin(kind: LogFormat, level: LogLevel) -> io.StringIO:
        stream = io.StringIO()
        started.append(start_log(stream, kind, level))
        return stream

    yield begin
    for handler in started:
        stop_log(handler)


def test_json_lines(start: Start) -> None:
    stream = start("json", "debug")
    LOG.debug("request", extra={"fields": {"path": "/v2\n", "status": 200}})
    LOG.warning("A worker of %s ended.", "means", extra={"event": "worker_lost"})
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["event"], first["path"], first["status"]) == ("debug", "request", "/v2\n", 200)
    assert (second["event"], second["message"]) == ("worker_lost", "A worker of means ended.")


def test_text_lines_and_the_level(start: Start) -> None:
    stream = start("text", "info")
    LOG.debug("request")
    LOG.info("draining", extra={"fields": {"requests": 3}})
    assert stream.getvalue().endswith(" INFO draining requests=3\n")
    assert "request\n" not in stream.getvalue()


@pytest.mark.parametrize("kind", ["text", "json"])
def test_tracebacks(start: Start, kind: LogFormat) -> None:
    stream = start(kind, "error")
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        LOG.exception("failed inside")
    assert "ZeroDivisionError" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1 or kind == "text"


def test_nothing_is_written_after_the_end(start: Start) -> None:
    stream = io.StringIO()
    handler = start_log(stream, "text", "info")
    stop_log(handler)
    LOG.error("late")
    assert not stream.getvalue()
    assert LOG.isEnabledFor(logging.ERROR)
