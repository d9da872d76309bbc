"""Memory that the host shares with one worker: a few slots, each with room for a batch and for its logits."""

import mmap
import os
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.manifest import Contract
from ran_deploy.runtime.session import Logits

_ALIGNMENT = 64
"""Bytes; a cache line, which is also what vector instructions like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything lies."""

    slots: int
    max_batch: int
    dtype: str
    image: tuple[int, ...]
    """Shape of one image."""
    classes: int

    @classmethod
    def of(cls, contract: Contract, *, slots: int, max_batch: int) -> "Layout":
        """Return the layout for an engine."""
        return cls(
            slots=slots,
            max_batch=max_batch,
            dtype=contract.input.dtype,
            image=contract.input.shape[1:],
            classes=contract.output.shape[-1],
        )

    @property
    def images_bytes(self) -> int:
        """Room for the images of a slot."""
        return _aligned(self.max_batch * int(np.prod(self.image)) * np.dtype(self.dtype).itemsize)

    @property
    def slot_bytes(self) -> int:
        """Room for a slot."""
        return self.images_bytes + _aligned(self.max_batch * self.classes * 4)

    @property
    def total_bytes(self) -> int:
        """Room for all slots."""
        return self.slots * self.slot_bytes


class SharedMemory:
    """A file without a name, which lives in memory where the system can do that; empty at first."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("ran-deploy")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())

    def enlarged(self, size: int) -> int:
        """Give it so many bytes, and return its descriptor."""
        os.ftruncate(self.descriptor, size)
        return self.descriptor

    def close(self) -> None:
        """Close the descriptor; what is mapped stays."""
        os.close(self.descriptor)


class Slots:
    """The shared memory, seen as arrays.

    Args:
        descriptor: The memory's file, at least as large as the layout says.
        layout: Where everything lies.
    """

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._layout = layout
        self._memory = mmap.mmap(descriptor, layout.total_bytes)  # goes when the last array over it goes

    def images(self, slot: int, count: int) -> npt.NDArray[Any]:
        """Return the first ``count`` images of a slot."""
        layout = self._layout
        shape = (count, *layout.image)
        return np.ndarray(shape, layout.dtype, self._memory, slot * layout.slot_bytes)

    def logits(self, slot: int, count: int) -> Logits:
        """Return the first ``count`` rows of a slot's logits."""
        layout = self._layout
        offset = slot * layout.slot_bytes + layout.images_bytes
        return np.ndarray((count, layout.classes), np.float32, self._memory, offset)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
