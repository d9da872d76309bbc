"""Deployment profiles: typed TOML files named for their target, over which the command line has the last word."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ran_deploy.config import from_mapping, read_toml, to_mapping
from ran_deploy.deploying.options import DeployOptions, Target
from ran_deploy.engine.profile import DEFAULT_MAX_BATCH, make_profile
from ran_deploy.errors import UsageError
from ran_deploy.resources import profiles_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProfile(Target):
    """A deployment profile: a target, and what is demanded there."""

    title: str
    """What the profile is for, in one sentence."""


def find_profile(given: Path) -> Path:
    """Return a profile's file: the one that was named, or a shipped one by its name, such as "cpu_avx512".

    Raises:
        UsageError: There is none.
    """
    if given.is_file():
        return given
    shipped = {path.stem: path for path in sorted(profiles_folder().glob("*.toml"))}
    name = given.name.removesuffix(".toml")
    if name in shipped and given.parent.name in ("", "export"):
        return shipped[name]
    near = difflib.get_close_matches(name, shipped, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Shipped profiles: {', '.join(shipped)}."
    raise UsageError(f"There is no deployment profile {given}.", fix=hint)


def merge(profile: Path | None, given: Mapping[str, Any]) -> tuple[DeployOptions, dict[str, str]]:
    """Bring together the command line, a profile and the defaults, in this order of precedence.

    Args:
        profile: The profile's file, or the name of a shipped one.
        given: What the command line says, by option; those of a table with a dot, such as "load.slo_ms".

    Returns:
        The options, and where each came from: "command line", "profile FILE" or "default".

    Raises:
        UsageError: The profile is missing, has an unknown key or a value of the wrong type; or together with the
            command line it is contradictory.
    """
    document: dict[str, Any] = {}
    if profile is not None:
        profile = find_profile(profile)
        read_toml(TargetProfile, profile)
        document = tomllib.loads(profile.read_text(encoding="utf-8"))
        del document["title"]
    named = dict(_flat(document))
    for name, value in given.items():
        table, _, key = name.rpartition(".")
        (document.setdefault(table, {}) if table else document)[key] = to_mapping(value)
    if (batch := document.get("batch")) is not None:
        sizes = make_profile(
            batch.get("min_batch", 1), batch.get("opt_batch"), batch.get("max_batch", DEFAULT_MAX_BATCH)
        )
        document["batch"] = to_mapping(sizes)
    where = "The command line" if profile is None else f"The command line with {profile.name}"
    fix = "Correct the option." if profile is None else "Correct the option, or the file."
    options = from_mapping(DeployOptions, document, where=where, fix=fix)
    source = "" if profile is None else f"profile {profile.name}"
    origins = {
        name: "command line" if name in given else source if name in named else "default" for name in _names(options)
    }
    return options, origins


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", item) for name, item in value.items())
        else:
            yield key, value


def _names(options: DeployOptions) -> Iterator[str]:
    for entry in fields(options):
        value = getattr(options, entry.name)
        if is_dataclass(value):
            yield from (f"{entry.name}.{inner.name}" for inner in fields(value))
        else:
            yield entry.name
