"""The JSON schema of deployment profiles, for editors: made from the dataclass, with its words as descriptions."""

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ran_deploy.config import field_docs, to_mapping
from ran_deploy.deploying.profile_file import TargetProfile

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def profile_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 7, which Taplo and the editors read)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A deployment profile of ran-deploy",
        **_table(TargetProfile),
    }


def _table(cls: Any) -> dict[str, Any]:
    hints, words = get_type_hints(cls), field_docs(cls)
    properties: dict[str, Any] = {}
    required = []
    for field in dataclasses.fields(cls):
        properties[field.name] = {"description": words.get(field.name, ""), **_value(hints[field.name])}
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if default is dataclasses.MISSING:
            required.append(field.name)
        elif default is not None:
            properties[field.name]["default"] = to_mapping(default)
    table: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**table, "required": required} if required else table


def _value(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return _value(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0]), "uniqueItems": True}
    if dataclasses.is_dataclass(hint):
        return _table(hint)
    return {"type": _PLAIN[hint]}
