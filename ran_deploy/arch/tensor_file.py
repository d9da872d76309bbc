"""safetensors files of which the same content has the same bytes.

The library writes the keys of the metadata in an order that changes between processes; a file's hash would then not
say whether two checkpoints are the same.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

_ALIGNMENT = 8
"""Bytes; the format asks that the tensors begin at a multiple of this, for which the header is padded with spaces."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata to ``path``, not atomically: use it with ``files.atomic_path``."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, dict(metadata))
    (length,) = struct.unpack_from("<Q", content)
    start = struct.calcsize("<Q") + length
    header = json.loads(content[start - length : start])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, sort_keys=False, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.write(memoryview(content)[start:])
