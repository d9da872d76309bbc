"""What the registry knows of one network; each family lists its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ran_deploy.arch.network import Network

Layout = Literal["cifar", "imagenet"]
"""Small images (32 or 64 pixels), or large ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchEntry:
    """A registered network."""

    name: str
    """The name that ``--arch`` takes."""
    title: str
    """What it is called where it comes from, and where that is."""
    layout: Layout
    home: str
    """The dataset for which ``ran-deploy archs`` describes it."""
    options: type[Any]
    """A frozen dataclass with what can be chosen besides the classes; every field has a default."""
    build: Callable[[int, Any], Network]
    """Takes the number of classes and the options."""
