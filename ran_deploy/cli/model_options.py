"""The options of the commands that start from an ONNX file or a network's name: where it comes from, how it is made."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ran_deploy.errors import UsageError

_SOURCE = "Source"
_INT8 = "Calibration (--precision int8)"

Onnx = Annotated[Path | None, typer.Option("--onnx", help="The ONNX file to start from.", rich_help_panel=_SOURCE)]
Arch = Annotated[str | None, typer.Option(help="Or a network, exported first.", rich_help_panel=_SOURCE)]
ArchDataset = Annotated[str, typer.Option(help="With --arch: the network's dataset.", rich_help_panel=_SOURCE)]
Checkpoint = Annotated[
    Path | None, typer.Option(help="With --arch: its weights (default: shipped).", rich_help_panel=_SOURCE)
]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="With --arch: random weights.", rich_help_panel=_SOURCE)
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the network, such as width=0.5 or attention=channel; may be repeated. "
        "Which there are: `ran-deploy archs --arch NAME`.",
    ),
]
Samples = Annotated[
    Path | None, typer.Option(help="A folder of images to try the models on (default: generated ones).")
]
CalibDataset = Annotated[
    str | None,
    typer.Option(
        help="cifar10, cifar100, imagenet, tiny-imagenet, or folder (default: the network's own).",
        rich_help_panel=_INT8,
    ),
]
CalibData = Annotated[
    Path | None, typer.Option(help="The folder with its images; the training split is used.", rich_help_panel=_INT8)
]
CalibSamples = Annotated[int | None, typer.Option(help="How many images (default: 512).", rich_help_panel=_INT8)]
Method = Annotated[
    Literal["entropy", "percentile", "minmax"] | None,
    typer.Option(
        help="How activation ranges are chosen (default: percentile; modelopt: entropy).", rich_help_panel=_INT8
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the choice of images (default: 0).", rich_help_panel=_INT8)]
CalibrationFile = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        help='Instead of images: a calibration file, or "shipped" for that of the shipped weights.',
        rich_help_panel=_INT8,
    ),
]


def network_options(given: list[str] | None) -> dict[str, Any]:
    """Read the values of ``--option``: a value is TOML (2, 0.5, true, [2, 2, 1]) or else text.

    Whether the network has such options, and of this type, its family's dataclass says (``config.from_mapping``).

    Raises:
        UsageError: One is not KEY=VALUE, or was given twice.
    """
    options: dict[str, Any] = {}
    for text in given or ():
        key, separator, value = (part.strip() for part in text.partition("="))
        if not (separator and key and value):
            raise UsageError(f"--option {text} is not KEY=VALUE.", fix="Write it as in: --option width=0.5")
        if key in options:
            raise UsageError(f"--option {key} is given twice.", fix="Give it once.")
        options[key] = _toml_or_text(value)
    return options


def _toml_or_text(value: str) -> Any:
    try:
        document = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    return document["value"] if len(document) == 1 else value


def check_source(command: str, onnx: Path | None, arch: str | None, **arch_only: object) -> None:
    """Check that a file or a network was given, and that what describes the network goes with no file.

    Args:
        command: Such as "ran-deploy build".
        onnx: The file.
        arch: The network's name.
        arch_only: Options of the network by their names; falsy where they were not given.

    Raises:
        UsageError: Both or neither were given, or an option would be ignored.
    """
    if (onnx is None) == (arch is None):
        raise UsageError("Give either --onnx or --arch.", fix=f"See: {command} --help")
    given = [name for name, value in arch_only.items() if value]
    if onnx is not None and given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} goes with --arch; an ONNX file has its precision and weights.",
            fix="Leave it out; to change the precision of a file: ran-deploy quantize --onnx FILE --precision fp16",
        )
