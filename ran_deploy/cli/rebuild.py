"""``ran-deploy rebuild``: make an engine again by its manifest, and show that it is the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ran_deploy.cli.facts import fact
from ran_deploy.cli.output import JsonFlag, emit
from ran_deploy.errors import UsageError

if TYPE_CHECKING:
    from ran_deploy.deploying.rebuild import RebuildResult

EPILOG = "Example: ran-deploy rebuild att92_int8.plan --check"


def rebuild_command(
    engine: Annotated[Path, typer.Argument(help="An .onnx or .plan file with its manifest.")],
    check: Annotated[bool, typer.Option("--check", help="Compare only; keep nothing.")] = False,
    out: Annotated[Path | None, typer.Option(help="Keep the rebuilt engine there, if it is equivalent.")] = None,
    parents: Annotated[
        Path | None, typer.Option(help="A folder with the files that it was made from (default: beside it).")
    ] = None,
    calib_data: Annotated[
        Path | None, typer.Option("--calib-data", help="The images of an INT8 calibration on images.")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="A folder of images to compare on (default: generated).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an engine again by its manifest; exit code 3 if it does not come out equivalent."""
    if check == (out is not None):
        raise UsageError("Give either --check or --out.", fix="See: ran-deploy rebuild --help")
    from ran_deploy.deploying.rebuild import rebuild
    from ran_deploy.deploying.remake import RebuildOptions

    options = RebuildOptions(parents=parents, calib_data=calib_data, samples=samples)
    result = rebuild(engine, out=out, options=options)
    emit(result, "rebuild/v1", as_json=as_json, lines=_lines(result))


def _lines(result: "RebuildResult") -> list[str]:
    verdict = "identical" if result.identical else "equivalent"
    lines = [*fact("engine", f"{result.engine}  sha256 {result.sha256[:12]}…")]
    lines += fact("rebuilt", f"{result.out or 'not kept'}  sha256 {result.rebuilt_sha256[:12]}…")
    lines += fact("verdict", f"{verdict}: {result.evidence}")
    if result.not_run is not None:
        lines += fact("not run", result.not_run)
    if result.versions:
        lines += fact("versions", ", ".join(f"{entry.what} {entry.then} → {entry.now}" for entry in result.versions))
    return lines
