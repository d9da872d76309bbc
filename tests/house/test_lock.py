"""The locked versions are those of a set that the project allows, and nothing that it asks for is missing."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCK = (REPOSITORY / "locks" / "development.txt").read_text()
ELSEWHERE = {"gpu", "pycuda", "tensorrt", "modelopt", "signing"}
"""Extras for machines with an NVIDIA GPU, or for environments of their own."""


def locked() -> dict[str, str]:
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


@pytest.mark.parametrize("extra", ["", *sorted(set(PROJECT["optional-dependencies"]) - ELSEWHERE)])
def test_what_the_project_asks_for_is_locked_to_a_version_that_it_allows(extra: str) -> None:
    found = locked()
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, asked):
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(found[canonicalize_name(requirement.name)]), requirement


def test_versions_are_exact_and_name_no_build() -> None:
    assert all(version and "+" not in version and "*" not in version for version in locked().values())
