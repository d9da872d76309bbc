"""Exact versions of what a service needs: those that are installed here, where the engine was tried."""

import importlib.metadata
import re
from collections.abc import Iterable

from ran_deploy.errors import MissingError

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def pin(requirements: Iterable[str], *, fix: str) -> tuple[str, ...]:
    """Return ``name==version`` of the packages and of all that they need, sorted by name.

    What a package needs on some machines only is pinned where it is installed here.

    Args:
        requirements: Names, with extras where needed, such as "tritonclient[grpc]".
        fix: What to run where one of them is not installed.

    Raises:
        MissingError: One of them is not installed.
    """
    found: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    pending = [(*_parse(requirement), True) for requirement in requirements]
    while pending:
        name, extras, needed = pending.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            if needed:
                raise MissingError(
                    f"{name} is not installed here, so the version to pin is not known.", fix=fix
                ) from error
            continue
        found[_normal(name)] = f"{distribution.name}=={distribution.version}"
        for extra in {"", *extras}:
            if (_normal(name), extra) not in done:
                done.add((_normal(name), extra))
                pending += [(*_parse(needs), False) for needs in distribution.requires or () if _applies(needs, extra)]
    return tuple(found[name] for name in sorted(found))


def _parse(requirement: str) -> tuple[str, tuple[str, ...]]:
    match = _REQUIREMENT.match(requirement)
    if match is None:
        return requirement, ()
    return match[1], tuple(extra.strip() for extra in (match[2] or "").split(",") if extra.strip())


def _applies(requirement: str, extra: str) -> bool:
    """Whether a requirement belongs to an extra; "" stands for those that always hold."""
    asked = {_normal(name) for name in _EXTRA.findall(requirement.partition(";")[2])}
    return _normal(extra) in asked if extra else not asked


def _normal(name: str) -> str:
    """Names are compared as PEP 503 says."""
    return re.sub(r"[-_.]+", "-", name).lower()
