"""What can be chosen about a network, for people: names, defaults and the words of the options' own source."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ran_deploy.arch.registry import arch_entries, find_entry
from ran_deploy.config import field_docs, to_mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDoc:
    """One option of a network."""

    name: str
    default: Any
    """As JSON has it."""
    choices: tuple[str, ...]
    """The values that it can have, where these are words."""
    text: str
    """What it means."""


def describe_options(arch: str) -> tuple[OptionDoc, ...]:
    """Return the options of a network, in the order of its family's dataclass.

    Raises:
        UsageError: There is no such network.
    """
    home = next((entry.home for entry in arch_entries() if entry.name == arch), "cifar10")
    cls = find_entry(arch, home).options
    hints, docs = get_type_hints(cls), field_docs(cls)
    return tuple(
        OptionDoc(
            name=field.name,
            default=to_mapping(field.default),
            choices=get_args(hints[field.name]) if get_origin(hints[field.name]) is Literal else (),
            text=docs.get(field.name, ""),
        )
        for field in dataclasses.fields(cls)
    )
