"""A worker process: owns one engine, computes what the host puts into shared memory, and ends when the host does."""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.serving.collector import settle
from ran_deploy.serving.engine import ServedEngine
from ran_deploy.serving.frames import Frame, Kind, Unpacker, describe, pack
from ran_deploy.serving.slots import Layout, Slots
from ran_deploy.serving.spec import ModelSpec

_CHUNK_BYTES = 1 << 16
_GRACE_S = 5.0
"""How long a batch that is being computed may outlive the host, in seconds."""


def main(channel: int, memory: int) -> None:
    """Serve the host at the other end of the socket ``channel`` until it closes it, or ends however it may.

    Args:
        channel: Descriptor of a connected stream socket.
        memory: Descriptor of the shared memory, which the host enlarges once it knows the engine.
    """
    # The host alone decides when the service ends: Ctrl-C and a manager's SIGTERM reach its whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    idle = threading.Event()
    with socket.socket(fileno=channel) as host:
        threading.Thread(target=_watch, args=(host, idle), daemon=True).start()
        with contextlib.suppress(ConnectionError):
            _serve(host, memory, idle)


def _serve(host: socket.socket, memory: int, idle: threading.Event) -> None:
    frames = _received(host)
    if (opening := next(frames, None)) is None:
        return
    try:
        spec = ModelSpec(**{**opening.body["spec"], "path": Path(opening.body["spec"]["path"])})
        engine = ServedEngine(spec, opening.body["threads"])
    except Exception as error:  # a runtime may raise anything; the host passes it on
        host.sendall(pack(Frame(Kind.FAILED, body=describe(error))))
        return
    with contextlib.closing(engine):
        host.sendall(pack(Frame(Kind.READY, body=to_mapping(engine.facts))))
        if (enlarged := next(frames, None)) is None:
            return
        slots = Slots(memory, from_mapping(Layout, enlarged.body, where="the layout"))
        settle()
        for frame in frames:
            host.sendall(pack(_compute(engine, slots, frame)))
        idle.set()  # the engine may take its time to end in order


def _compute(engine: ServedEngine, slots: Slots, frame: Frame) -> Frame:
    try:
        slots.logits(frame.slot, frame.images)[:] = engine.run(slots.images(frame.slot, frame.images))
    except Exception as error:  # it is the callers' to see
        return Frame(Kind.FAILED, frame.slot, frame.images, describe(error))
    return Frame(Kind.DONE, frame.slot, frame.images)


def _received(host: socket.socket) -> Iterator[Frame]:
    """Receive frames until the stream ends; here, and not in a thread, whose every wake costs a request its time."""
    unpacker = Unpacker()
    while data := host.recv(_CHUNK_BYTES):
        yield from unpacker.feed(data)


def _watch(host: socket.socket, idle: threading.Event) -> None:
    """End the process soon after the stream: what is still computed then is for no one."""
    hangup = select.poll()
    hangup.register(host, 0)  # no event but the stream's end, which is always told
    hangup.poll()
    if not idle.wait(_GRACE_S):
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
