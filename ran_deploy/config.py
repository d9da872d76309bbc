"""Typed configuration: frozen dataclasses read strictly from TOML or JSON.

One reader serves recipes (TOML) and manifests (JSON, :mod:`ran_deploy.json_files`): each value is checked against the
field's type, unknown keys are refused with the nearest known name, and nothing is converted silently.
"""

import ast
import dataclasses
import difflib
import inspect
import itertools
import textwrap
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.files import require_file

T = TypeVar("T")
OMIT_DEFAULT = types.MappingProxyType({"omit_default": True})
"""Metadata of a field that :func:`to_mapping` leaves out while it has its default: one that was added later, so that
older documents and their digests stay as they are."""


def read_toml(cls: type[T], path: Path) -> T:
    """Read a TOML file into the dataclass ``cls``.

    Raises:
        UsageError: The file is missing, not TOML, or has unknown keys or values of the wrong type.
    """
    require_file(path, what="configuration file")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", fix="Correct the file.") from error
    return from_mapping(cls, document, where=str(path))


def from_mapping(
    cls: type[T],
    document: object,
    *,
    where: str,
    error: type[RanDeployError] = UsageError,
    fix: str = "Correct the file.",
) -> T:
    """Build the dataclass ``cls`` from a mapping, checking every key and type.

    Args:
        cls: A dataclass; nested dataclasses, tuples, unions with None, literals and mappings are understood.
        document: The mapping read from a file.
        where: The file or key that messages name.
        error: The error class to raise.
        fix: What messages propose where no nearer name is known.

    Raises:
        RanDeployError: As ``error``: an unknown or missing key, or a value of the wrong type.
    """
    if not isinstance(document, Mapping):
        raise error(f"{where} holds {_kind(document)} where a table was expected.", fix=fix)
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in document:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(fields))}."
            raise error(f"{where}: {key!r} is not a known key.", fix=hint)
    values = {}
    for name, field in fields.items():
        if name in document:
            values[name] = _value(hints[name], document[name], f"{where}: {name}", error, fix)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise error(f"{where} lacks the key {name!r}.", fix=fix)
    try:
        return cls(**values)
    except UsageError as problem:
        raise error(f"{where}: {problem.message}", fix=problem.fix) from problem


def to_mapping(value: Any) -> Any:
    """Turn dataclasses, tuples and paths into plain JSON values, recursively; see :data:`OMIT_DEFAULT`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_mapping(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata.get("omit_default") and getattr(value, field.name) == field.default)
        }
    if isinstance(value, Mapping):
        return {str(key): to_mapping(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_mapping(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def field_docs(cls: type) -> dict[str, str]:
    """Return the string that follows each field in the source, of the dataclass ``cls`` and of its bases."""
    found: dict[str, str] = {}
    for base in reversed([base for base in cls.__mro__ if dataclasses.is_dataclass(base)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = definition.body if isinstance(definition, ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _value(hint: Any, value: object, where: str, error: type[RanDeployError], fix: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _value(inner, value, where, error, fix)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(repr(argument) for argument in arguments)
            raise error(f"{where} is {value!r}; expected one of {known}.", fix=fix)
        return value
    if origin is tuple:
        return _sequence(arguments, value, where, error, fix)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise error(f"{where} is {_kind(value)}; expected a table.", fix=fix)
        return {str(key): _value(arguments[1], item, f"{where}.{key}", error, fix) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where=where, error=error, fix=fix)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise error(f"{where} is {value!r}; expected {_NAMES.get(hint, hint.__name__)}.", fix=fix)
    return value


def _sequence(arguments: tuple[Any, ...], value: object, where: str, error: type[RanDeployError], fix: str) -> Any:
    if not isinstance(value, list | tuple):
        raise error(f"{where} is {_kind(value)}; expected a list.", fix=fix)
    if arguments[-1] is Ellipsis:
        hints: tuple[Any, ...] = (arguments[0],) * len(value)
    else:
        hints = arguments
        if len(value) != len(hints):
            raise error(f"{where} has {len(value)} items; expected {len(hints)}.", fix=fix)
    return tuple(
        _value(hint, item, f"{where}[{index}]", error, fix)
        for index, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return f"{value!r:.60}"
