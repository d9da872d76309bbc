"""The networks by name, and ``create_model``, which builds them."""

import difflib
from typing import Any

from ran_deploy.arch import naive_cnn, ran, ran_inception, ran_next, resnet, stanford
from ran_deploy.arch.entry import ArchEntry, Layout
from ran_deploy.arch.network import Network
from ran_deploy.config import from_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.errors import UsageError


def index(*families: tuple[ArchEntry, ...]) -> dict[tuple[str, str], ArchEntry]:
    """Return the entries of all families by name and layout; two of the same are a fault."""
    entries: dict[tuple[str, str], ArchEntry] = {}
    for entry in (entry for family in families for entry in family):
        if (entry.name, entry.layout) in entries:
            raise ValueError(f"{entry.name} is registered twice for the {entry.layout} layout")
        entries[entry.name, entry.layout] = entry
    return entries


_ENTRIES = index(
    ran.ENTRIES, ran_next.ENTRIES, ran_inception.ENTRIES, naive_cnn.ENTRIES, resnet.ENTRIES, stanford.ENTRIES
)


def arch_entries() -> tuple[ArchEntry, ...]:
    """Return what is registered, in the order of the families."""
    return tuple(_ENTRIES.values())


def arch_names() -> tuple[str, ...]:
    """Return the registered names, without repetition, in the order of the families."""
    return tuple(dict.fromkeys(name for name, _ in _ENTRIES))


def layout_of(dataset: str) -> Layout:
    """Return the layout that images of ``dataset`` need."""
    return "imagenet" if dataset == "imagenet" else "cifar"


def find_entry(arch: str, dataset: str) -> ArchEntry:
    """Return the entry of a network in the layout that images of ``dataset`` need.

    Raises:
        UsageError: An unknown arch or dataset, or a network without that layout.
    """
    dataset_info(dataset)
    if arch not in arch_names():
        near = difflib.get_close_matches(arch, arch_names(), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known archs: {', '.join(arch_names())}."
        raise UsageError(f"There is no arch {arch!r}.", fix=hint)
    entry = _ENTRIES.get((arch, layout_of(dataset)))
    if entry is None:
        raise UsageError(
            f"{arch} has no {layout_of(dataset)} layout, which the dataset {dataset} needs.",
            fix="See which it has: ran-deploy archs",
        )
    return entry


def create_model(arch: str, dataset: str = "cifar10", num_classes: int | None = None, **options: Any) -> Network:
    """Build a network with random weights.

    Args:
        arch: A registered name, such as "att56" or "att92".
        dataset: Chooses the layout and the number of classes.
        num_classes: Overrides the dataset's number of classes.
        **options: Fields of the family's options, such as :class:`ran_deploy.arch.ran.RanOptions`.

    Returns:
        A module that takes float32 images [N, 3, H, W], already normalized, and returns logits [N, classes].

    Raises:
        UsageError: An unknown arch, dataset or option, or a value out of range.
    """
    entry = find_entry(arch, dataset)
    classes = dataset_info(dataset).classes if num_classes is None else num_classes
    if classes < 2:
        raise UsageError(f"The number of classes is {classes}; expected at least 2.")
    chosen = from_mapping(
        entry.options, options, where=f"The options of {arch}", fix=f"See them: ran-deploy archs --arch {arch}"
    )
    return entry.build(classes, chosen)
