"""Protobuf's text format, as far as a model's configuration needs it: plain, in the order given, one field a line.

Format: https://protobuf.dev/reference/protobuf/textformat-spec/. Written by hand, so that packaging needs no protobuf
classes of Triton's; its check then reads the text with exactly those.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any


class Symbol(str):
    """The name of an enumeration's value, which is written without quotes."""

    __slots__ = ()


def to_pbtxt(message: Mapping[str, Any]) -> str:
    """Return a message as text.

    Args:
        message: Fields by name: text, whole numbers, truth values, :class:`Symbol`, messages, or lists of these. A
            value of None leaves the field out.
    """
    return "".join(f"{line}\n" for line in _fields(message))


def pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a map field, which is a repeated message of key and value."""
    return [{"key": key, "value": value} for key, value in values.items()]


def _fields(message: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in message.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            lines += [f"{name} {{", *_indented(value), "}"]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines += _repeated(name, value)
        else:
            lines.append(f"{name}: {_scalar(value)}")
    return lines


def _repeated(name: str, values: Sequence[Any]) -> list[str]:
    if values and isinstance(values[0], Mapping):
        lines = [f"{name} ["]
        for place, value in enumerate(values):
            comma = "," if place < len(values) - 1 else ""
            lines += ["  {", *(f"  {line}" for line in _indented(value)), f"  }}{comma}"]
        return [*lines, "]"]
    return [f"{name}: [ {', '.join(_scalar(value) for value in values)} ]"] if values else []


def _indented(message: Mapping[str, Any]) -> list[str]:
    return [f"  {line}" for line in _fields(message)]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Symbol):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
