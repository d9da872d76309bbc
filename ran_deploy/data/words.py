"""Readable names for WordNet synsets, from the word lists that ImageNet and Tiny ImageNet come with."""

from collections import Counter
from pathlib import Path

_FILES = ("words.txt", "LOC_synset_mapping.txt")
"""Tiny ImageNet's list and that of ImageNet's Kaggle edition: a synset, white space, its names."""


def read_words(root: Path, synsets: list[str]) -> tuple[str, ...]:
    """Return a label for each class folder: its first English name, or the folder's name where no list has it.

    Where two synsets share their first name (ImageNet has two cranes), all their names are given.
    """
    words: dict[str, str] = {}
    for path in (root / name for name in _FILES):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            words.update((parts[0], parts[1].strip()) for parts in (line.split(None, 1) for line in lines) if parts[1:])
    first = {synset: words.get(synset, synset).split(",")[0] for synset in synsets}
    shared = Counter(first.values())
    return tuple(words.get(synset, synset) if shared[first[synset]] > 1 else first[synset] for synset in synsets)
