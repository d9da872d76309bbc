"""The networks by name, and ``create_model``, which builds them."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from ran_deploy.arch.ran import RanOptions, cifar_ran, imagenet_ran
from ran_deploy.config import from_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.errors import UsageError

Builder = Callable[[int, RanOptions], nn.Module]
B = TypeVar("B", bound=Builder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchEntry:
    """A registered network."""

    name: str
    """The name that ``--arch`` takes."""
    layout: str
    """"cifar" (small images) or "imagenet"."""
    build: Builder
    """Takes the number of classes and the options."""


_ENTRIES: dict[tuple[str, str], ArchEntry] = {}


def register(name: str, layout: str) -> Callable[[B], B]:
    """Register a builder as ``name`` in ``layout``; a second one of the same name is a fault."""

    def add(build: B) -> B:
        if (name, layout) in _ENTRIES:
            raise ValueError(f"{name} is registered twice for the {layout} layout")
        _ENTRIES[name, layout] = ArchEntry(name=name, layout=layout, build=build)
        return build

    return add


def arch_names() -> tuple[str, ...]:
    """Return the registered names, without repetition, in the order of registration."""
    return tuple(dict.fromkeys(name for name, _ in _ENTRIES))


def layouts(name: str) -> tuple[str, ...]:
    """Return the layouts in which ``name`` is registered."""
    return tuple(layout for entry, layout in _ENTRIES if entry == name)


def layout_of(dataset: str) -> str:
    """Return the layout that images of ``dataset`` need."""
    return "imagenet" if dataset == "imagenet" else "cifar"


def create_model(arch: str, dataset: str = "cifar10", num_classes: int | None = None, **options: Any) -> nn.Module:
    """Build a network with random weights.

    Args:
        arch: A registered name, such as "att56" or "att92".
        dataset: Chooses the layout and the number of classes.
        num_classes: Overrides the dataset's number of classes.
        **options: Fields of :class:`ran_deploy.arch.ran.RanOptions`.

    Returns:
        A module that takes float32 images [N, 3, H, W], already normalized, and returns logits [N, classes].

    Raises:
        UsageError: An unknown arch, dataset or option, or a value out of range.
    """
    info = dataset_info(dataset)
    classes = info.classes if num_classes is None else num_classes
    if classes < 2:
        raise UsageError(f"The number of classes is {classes}; expected at least 2.")
    if arch not in arch_names():
        near = difflib.get_close_matches(arch, arch_names(), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known archs: {', '.join(arch_names())}."
        raise UsageError(f"There is no arch {arch!r}.", fix=hint)
    entry = _ENTRIES.get((arch, layout_of(dataset)))
    if entry is None:
        raise UsageError(f"{arch} has no {layout_of(dataset)} layout, which the dataset {dataset} needs.")
    return entry.build(classes, from_mapping(RanOptions, options, where=f"The options of {arch}"))


@register("att56", "cifar")
def att56_cifar(classes: int, options: RanOptions) -> nn.Module:
    """Attention-56 for 32×32 images: 1,030,362 parameters with 10 classes."""
    return cifar_ran(1, classes, options)


@register("att92", "cifar")
def att92_cifar(classes: int, options: RanOptions) -> nn.Module:
    """Attention-92 for 32×32 images: 1,841,242 parameters with 10 classes."""
    return cifar_ran(2, classes, options)


@register("att56", "imagenet")
def att56_imagenet(classes: int, options: RanOptions) -> nn.Module:
    """Attention-56 for 224×224 images: 31,810,728 parameters with 1,000 classes."""
    return imagenet_ran((1, 1, 1), classes, options)


@register("att92", "imagenet")
def att92_imagenet(classes: int, options: RanOptions) -> nn.Module:
    """Attention-92 for 224×224 images: 52,466,344 parameters with 1,000 classes."""
    return imagenet_ran((1, 2, 3), classes, options)
