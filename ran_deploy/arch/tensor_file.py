"""safetensors files of which the same content has the same bytes.

The library writes the keys of the metadata in an order that changes between processes; a file's hash would then not
say whether two checkpoints are the same.
"""

import hashlib
import json
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ran_deploy.errors import IntegrityError

_LENGTH = struct.Struct("<Q")
_DIGEST = "digest"
_ALIGNMENT = 8
"""Bytes; the format asks that the tensors begin at a multiple of this, for which the header is padded with spaces."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, seal: bool = False) -> None:
    """Write tensors and metadata to ``path``, not atomically: use it with ``files.atomic_path``.

    Args:
        path: The file.
        tensors: By name.
        metadata: By name.
        seal: Add a digest of all the rest to the metadata, for a file that has no manifest; see :func:`check_tensors`.
    """
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, dict(metadata))
    header, data = _parts(content)
    header["__metadata__"] = dict(sorted(metadata.items()))
    if seal:
        header["__metadata__"][_DIGEST] = _digest(header, data)
    text = _text(header)
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(_LENGTH.pack(len(text)))
        file.write(text)
        file.write(data)


def check_tensors(content: bytes, where: str, *, known: Collection[str]) -> dict[str, str]:
    """Return the metadata of a file's bytes, after a check of the digest that they hold, if they hold one.

    Args:
        content: The file's bytes.
        where: What a message names.
        known: The names that the metadata may have besides; another one may be that of the digest, damaged.

    Raises:
        ValueError: It is no whole safetensors file, or has other metadata.
        IntegrityError: The digest is of another content.
    """
    header, data = _parts(content)
    metadata: dict[str, str] = dict(header["__metadata__"])
    if unknown := metadata.keys() - {*known, _DIGEST}:
        raise ValueError(f"the metadata has the unknown name {min(unknown)!r}")
    if (digest := header["__metadata__"].pop(_DIGEST, None)) is not None and digest != _digest(header, data):
        raise IntegrityError(
            f"{where} is not as it was written: its digest is of another content.", fix="Restore the file."
        )
    return metadata


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    if len(content) < _LENGTH.size:
        raise ValueError("the file is shorter than its header")
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size + length
    if start > len(content):
        raise ValueError("the file is shorter than its header")
    header = json.loads(content[_LENGTH.size : start])
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__"), dict):
        raise ValueError("the header has no metadata")  # noqa: TRY004  # of a file, not of an argument
    return header, memoryview(content)[start:]


def _text(header: dict[str, Any]) -> bytes:
    return json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(header: dict[str, Any], data: memoryview) -> str:
    digest = hashlib.sha256(_text(header))
    digest.update(data)
    return digest.hexdigest()
