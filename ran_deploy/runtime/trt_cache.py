"""TensorRT-RTX's runtime cache on disk: the kernels that it compiled for a plan on this GPU, for the next start.

Kernels are code, so the cache lies in the user's own cache folder and not beside the plan. The library itself refuses
one that another version, GPU or driver wrote.
"""

import contextlib
from pathlib import Path
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.files import cache_folder, write_bytes


class RuntimeCache:
    """The cache of one plan: read when its first execution context is made, written when the session ends.

    Args:
        config: The runtime configuration that makes it.
        sha256: The plan's hash, which names the file.
    """

    def __init__(self, config: Any, sha256: str) -> None:
        self._path = runtime_cache_path(sha256)
        self._cache: Any = config.create_runtime_cache()
        self._stored = b""
        with contextlib.suppress(OSError):
            stored = self._path.read_bytes()
            if stored and self._cache.deserialize(stored):
                self._stored = stored

    def attach(self, config: Any) -> None:
        """Let the execution contexts made with ``config`` use the cache."""
        config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Write what has been added; a folder that cannot be written to is left alone."""
        content = bytes(self._cache.serialize() or b"")
        if content and content != self._stored:
            with contextlib.suppress(UsageError):
                write_bytes(self._path, content)


def runtime_cache_path(sha256: str) -> Path:
    """Return the file that keeps the compiled kernels of the plan with this hash."""
    return cache_folder("tensorrt-rtx") / f"{sha256}.bin"
