"""Pins are the versions installed here, of what is asked for and of all that it needs."""

import importlib.metadata
from dataclasses import dataclass, field

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.packaging.pins import pin


@dataclass
class Installed:
    """What the package metadata of a machine says."""

    packages: dict[str, tuple[str, list[str]]]
    asked: list[str] = field(default_factory=list)

    def distribution(self, name: str) -> "Distribution":
        self.asked.append(name)
        key = name.lower().replace("_", "-")
        if key not in self.packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return Distribution(name=key, version=self.packages[key][0], requires=self.packages[key][1])


@dataclass
class Distribution:
    name: str
    version: str
    requires: list[str]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Installed:
    found = Installed(
        {
            "a": ("1.0", ["b>=2", "c[fast]~=3.0; python_version > '3'", "absent; sys_platform == 'win32'"]),
            "b": ("2.5", ["a"]),
            "c": ("3.1", ["d ; extra == 'fast'", 'e; extra == "slow"']),
            "d": ("4.0+cpu", []),
            "e": ("5.0", []),
            "f-g": ("6.0", ["A"]),
        }
    )
    monkeypatch.setattr(importlib.metadata, "distribution", found.distribution)
    return found


def test_all_that_is_needed_and_nothing_else(machine: Installed) -> None:
    assert pin(["a"], fix="") == ("a==1.0", "b==2.5", "c==3.1", "d==4.0+cpu")


def test_extras_are_followed_only_where_asked_for(machine: Installed) -> None:
    assert pin(["c"], fix="") == ("c==3.1",)
    assert pin(["c[slow]"], fix="") == ("c==3.1", "e==5.0")
    assert pin(["c[fast, slow]"], fix="") == ("c==3.1", "d==4.0+cpu", "e==5.0")


def test_names_are_compared_as_pip_does(machine: Installed) -> None:
    assert pin(["F_g", "f-G"], fix="") == ("a==1.0", "b==2.5", "c==3.1", "d==4.0+cpu", "f-g==6.0")


def test_what_is_asked_for_must_be_installed(machine: Installed) -> None:
    with pytest.raises(MissingError, match="absent is not installed here") as caught:
        pin(["absent"], fix="Run: pip install absent")
    assert caught.value.fix == "Run: pip install absent"


def test_the_versions_of_this_machine() -> None:
    pins = pin(["numpy"], fix="")
    assert f"numpy=={importlib.metadata.version('numpy')}" in pins
