"""The warnings of a deployment: each said once, with the engines or stages that it is about."""

import re
from collections.abc import Iterator

from ran_deploy.deploying.result import DeployResult
from ran_deploy.report.words import counted

_FIGURES = re.compile(r"\([^)]*\)|\d[\d.,]*")
"""What may differ between two warnings that say the same: numbers, and what stands in brackets."""


def all_warnings(result: DeployResult) -> list[str]:
    """Return every warning: of the whole, of each stage, and of each engine's measurements.

    Those that differ only in their figures are said once, with the figures of the first, and name all that they are
    about; engines are named by their number in the report.
    """
    engines = {variant.name: str(number) for number, variant in enumerate(result.variants, 1)}
    stages = {stage.name: stage.name for stage in result.stages}
    first: dict[str, str] = {}
    about: dict[str, dict[str, None]] = {}
    for warning in _warnings(result):
        owner = next((name for name in (*engines, *stages) if warning.startswith(f"{name}: ")), "")
        words = warning.removeprefix(f"{owner}: ") if owner else warning
        same = _FIGURES.sub("#", words)
        first.setdefault(same, words)
        if owner:
            about.setdefault(same, {})[owner] = None
    return [_said(words, list(about.get(same, ())), engines) for same, words in first.items()]


def _said(words: str, owners: list[str], engines: dict[str, str]) -> str:
    if not owners:
        return words
    if len(owners) == 1:
        return f"{owners[0]}: {words}"
    if not set(owners) <= set(engines):
        return f"{', '.join(owners)}: {words}"
    numbers = [engines[name] for name in owners]
    whole = words if words.endswith(".") else f"{words}."
    return f"{counted(len(numbers), 'engine')} ({', '.join(numbers)}): {whole} Figures: of engine {numbers[0]}."


def _warnings(result: DeployResult) -> Iterator[str]:
    yield from result.warnings
    for stage in result.stages:
        yield from (f"{stage.name}: {words}" for words in stage.warnings)
    for variant in result.variants:
        if variant.bench is not None:
            # Which measurements are unstable, the result's own warnings say.
            notes = (words for words in variant.bench.notes if not words.startswith("Unstable at "))
            yield from (f"{variant.name}: {words}" for words in notes)
        if variant.profile is not None:
            yield from (f"{variant.name}: {words}" for words in variant.profile.remarks)
