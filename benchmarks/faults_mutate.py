"""Mutations of bytes and of documents: nearly right is what finds faults."""

import json
import random
from typing import Any

_MAGIC = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff" * 8, b"\x00" * 16)
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-320),
    *("", "x", "uint8", "../../etc/passwd", "\x00", "é" * 50, "x" * 2000, "-1", "NaN"),
    *([], {}, [[]], [{}], {"": {}}, [None], [[[[[]]]]], [0] * 50, ["0"] * 10, [1, "a"]),
)


def mutated_bytes(content: bytes, source: random.Random) -> bytes:
    """Return a copy with one to four changes: bits, bytes, magic numbers, parts cut, repeated, moved or exchanged."""
    data = bytearray(content)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        at = source.randrange(len(data))
        length = min(len(data) - at, source.choice((1, 2, 4, 8, 64, 1024)))
        kind = source.randrange(8)
        if kind == 0:
            data[at] ^= 1 << source.randrange(8)
        elif kind == 1:
            data[at] = source.randrange(256)
        elif kind == 2:
            magic = source.choice(_MAGIC)
            data[at : at + len(magic)] = magic
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length] * source.choice((1, 2, 20))
        elif kind == 5:
            del data[at:]
        elif kind == 6:
            other = source.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            data[at:at] = source.randbytes(length)
    return bytes(data)


def mutated_document(document: Any, source: random.Random) -> Any:
    """Return a deep copy of a JSON document with one to three values, keys or items changed."""
    changed = json.loads(json.dumps(document))
    for _ in range(source.choice((1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            break
        holder, key = source.choice(places)
        kind = source.randrange(5)
        if kind == 0 and isinstance(holder, dict):
            holder[source.choice((str(key) + "x", "", "digest", "schema"))] = holder.pop(key)
        elif kind == 1:
            del holder[key]
        elif kind == 2 and isinstance(holder, list):
            holder.insert(source.randrange(len(holder) + 1), _odd(source))
        elif kind == 3:
            other, name = source.choice(places)
            holder[key] = json.loads(json.dumps(other[name])) if _there(other, name) else None
        else:
            holder[key] = _odd(source)
    return changed


def _odd(source: random.Random) -> Any:
    return json.loads(json.dumps(source.choice(_ODD)))  # a copy of its own, which may be changed in its turn


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


def _there(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)
