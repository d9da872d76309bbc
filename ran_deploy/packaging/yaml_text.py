"""YAML, as far as Kubernetes' objects need it: mappings and lists over several lines, and all text quoted.

Text in double quotes with JSON's escapes is YAML 1.2, and never taken for a number, a date or a truth value.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as text; values of None, empty mappings and empty lists are left out."""
    return "".join(f"{line}\n" for line in _mapping(document))


def _mapping(mapping: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            inner = [f"  {line}" for line in _mapping(value)]
            lines += [f"{key}:", *inner] if inner else []
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines += [f"{key}:", *(line for item in value for line in _item(item))] if value else []
        elif value is not None:
            lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    return lines


def _item(item: Any) -> list[str]:
    if isinstance(item, Mapping):
        first, *others = _mapping(item)
        return [f"- {first}", *(f"  {line}" for line in others)]
    return [f"- {json.dumps(item, ensure_ascii=False)}"]
