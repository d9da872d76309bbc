"""How the host and its workers talk: fixed binary heads with an optional JSON body; nothing is ever unpickled.

Images and logits do not travel here but lie in shared memory; a frame only says in which slot, and how many.
"""

import enum
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ran_deploy import errors
from ran_deploy.errors import RanDeployError

_HEAD = struct.Struct("<BBHII")
"""Kind, slot, zero, images, and the body's length in bytes."""
_MOST_BODY = 64 * 1024 * 1024
_ERRORS = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}


class Kind(enum.IntEnum):
    """What a frame says."""

    OPEN = 1
    """To the worker: open this engine (body: spec and threads)."""
    READY = 2
    """From the worker: the engine is open (body: its facts)."""
    MEMORY = 3
    """To the worker: the shared memory has its size now (body: the layout)."""
    RUN = 4
    """To the worker: compute the images in this slot."""
    DONE = 5
    """From the worker: the logits are in this slot."""
    FAILED = 6
    """From the worker: the engine cannot be opened, or could not compute this slot (body: the error)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    slot: int = 0
    images: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


def pack(frame: Frame) -> bytes:
    """Return a frame as bytes."""
    body = json.dumps(frame.body).encode() if frame.body else b""
    return _HEAD.pack(frame.kind, frame.slot, 0, frame.images, len(body)) + body


class Unpacker:
    """Turns bytes as they arrive into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete with these bytes.

        Raises:
            ValueError: The bytes are no frames.
        """
        self._pending += data
        found: list[Frame] = []
        while len(self._pending) >= _HEAD.size:
            kind, slot, _, images, length = _HEAD.unpack_from(self._pending)
            if length > _MOST_BODY:
                raise ValueError(f"a frame of {length} bytes")
            end = _HEAD.size + length
            if len(self._pending) < end:
                break
            body = json.loads(self._pending[_HEAD.size : end]) if length else {}
            del self._pending[:end]
            found.append(Frame(Kind(kind), slot, images, body))
        return found


def describe(error: Exception) -> dict[str, Any]:
    """Return an error as a body."""
    if isinstance(error, RanDeployError):
        return {"type": type(error).__name__, "message": error.message, "fix": error.fix, "details": error.details}
    return {
        "type": "RanDeployError",
        "message": f"The engine failed: {type(error).__name__}: {error}"[:2000],
        "fix": "",
    }


def revive(body: Mapping[str, Any]) -> RanDeployError:
    """Return the error that a body describes."""
    kind = _ERRORS.get(str(body.get("type")), RanDeployError)
    return kind(str(body.get("message")), fix=str(body.get("fix", "")), details=body.get("details"))  # type: ignore[no-any-return]
