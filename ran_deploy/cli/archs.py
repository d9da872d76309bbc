"""``ran-deploy archs``: the networks that can be built."""

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ran_deploy.cli.output import JsonFlag, emit, table
from ran_deploy.optional import require

if TYPE_CHECKING:
    from ran_deploy.arch.count import ArchSummary
    from ran_deploy.arch.describe import OptionDoc

EPILOG = """Examples:

ran-deploy archs --json

ran-deploy archs --arch att92
"""

_WIDTH = 100


def archs_command(
    arch: Annotated[str | None, typer.Option(help="This network only, with its options.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the networks by dataset: parameters, multiply-adds, depth of the trunk, shipped weights."""
    require("torch", "ran-deploy archs")
    from ran_deploy.arch.count import list_archs
    from ran_deploy.arch.describe import describe_options

    options = describe_options(arch) if arch is not None else None
    archs = list_archs(arch)
    document = {"archs": archs} if options is None else {"archs": archs, "options": options}
    emit(document, "archs/v1", as_json=as_json, lines=[*_networks(archs), *_options(options or ())])


def _networks(archs: "Sequence[ArchSummary]") -> list[str]:
    header = ("arch", "params", "MACs", "depth", "weights", "network")
    rows = [
        (
            f"  {arch.name}",
            f"{arch.params:,}",
            f"{arch.macs / 1e6:,.1f}M",
            str(arch.trunk_depth),
            "shipped" if arch.weights else "–",
            arch.title,
        )
        for arch in archs
    ]
    first, *body = table(header, rows)
    lines = [first]
    for dataset, classes, size in dict.fromkeys((arch.dataset, arch.classes, arch.input_size) for arch in archs):
        lines += ["", f"{dataset}: {size}×{size} pixels, {classes:,} classes"]
        lines += [line for arch, line in zip(archs, body, strict=True) if arch.dataset == dataset]
    return lines


def _options(options: "Sequence[OptionDoc]") -> list[str]:
    """Name, default and meaning of each option."""
    if not options:
        return []
    rows = [(f"  {option.name}", _shown(option.default), "") for option in options]
    first, *body = table(("option", "default", ""), rows)
    column = max(len(line) for line in (first, *body)) + 2
    lines = ["", "--option KEY=VALUE, with random weights or to train:", "", f"{first:{column}}meaning"]
    for option, line in zip(options, body, strict=True):
        text = f"{option.text} One of: {', '.join(option.choices)}." if option.choices else option.text
        wrapped = textwrap.wrap(text, _WIDTH - column)
        lines += [f"{line:{column}}{wrapped[0]}", *(f"{'':{column}}{more}" for more in wrapped[1:])]
    return lines


def _shown(default: object) -> str:
    return default if isinstance(default, str) else "" if default is None else json.dumps(default)
