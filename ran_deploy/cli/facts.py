"""Facts for a person: a name on the left, the text wrapped beside it."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ran_deploy.runtime.lineage import Ancestor

GLUE = "\N{NO-BREAK SPACE}"
"""Keeps words on one line until the text is wrapped; it is then a plain space."""
LABEL = 13
"""Width of the names."""
_WIDTH = 110
_LOCATIONS = {"whole": "beside it", "changed": "beside it, but changed since", "absent": "not beside it"}


def fact(name: str, text: str) -> list[str]:
    """Return the lines of one fact; none for an empty text."""
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{name:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(GLUE, " ") for line in lines]


def origin(ancestor: "Ancestor") -> str:
    """Return what an artefact was made from, and whether it is still there."""
    where = "" if ancestor.state is None else f" ({_LOCATIONS[ancestor.state]})"
    return f"{ancestor.role} {ancestor.name}  {ancestor.sha256[:16]}…{where}"


def scalars(values: Mapping[str, Any]) -> str:
    """Return the plain values and intervals of a mapping; longer lists and nested mappings are left to ``--json``."""
    texts = ((name, _scalar(value)) for name, value in values.items())
    return ", ".join(f"{name} {text}" for name, text in texts if text)


def _scalar(value: object) -> str:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(end, float) for end in value):
        return f"{_scalar(value[0])} to {_scalar(value[1])}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):  # 64 characters: a hash
        return f"{value[:16]}…" if len(value) == 64 else value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.5g}" if isinstance(value, float) else ""
