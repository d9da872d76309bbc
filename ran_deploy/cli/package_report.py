"""What ``ran-deploy package`` says: what was made, and what its check of a Triton repository found."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ran_deploy.cli.facts import fact
from ran_deploy.cli.output import emit, note
from ran_deploy.errors import GateError, UsageError

if TYPE_CHECKING:
    from ran_deploy.packaging.result import Finding, PackageResult

_UNBATCHED = {None: "", 0: ", requests as they come"}


def report(result: "PackageResult", *, as_json: bool) -> None:
    """Print a package that was made."""
    total = sum(file.size_bytes for file in result.files)
    lines = [f"{result.path}  {result.format} package, {len(result.files)} files, {total / 1e6:.2f} MB"]
    for model in result.models:
        versions = ", ".join(f"{version.version}: {version.engine}" for version in model.versions)
        batch = _UNBATCHED.get(model.max_batch, f", batches up to {model.max_batch}")
        lines.append(f"{model.name}  {model.backend}{batch}; version {versions}")
    for finding in result.findings or ():
        note(f"warning: {finding.file}, {finding.field}: {finding.message}")
    if result.findings is None and result.format in {"triton", "kserve"}:
        note("not checked by Triton's schema: tritonclient is not installed (pip install 'ran-deploy[serve]')")
    for text in result.notes:
        note(text)
    emit(result, "package/v1", as_json=as_json, lines=lines)


def check_repository(repository: Path, engine: list[Path] | None, out: Path | None, *, as_json: bool) -> None:
    """Check a repository and print what is wrong with it; errors end the command with the exit code of a gate."""
    if engine or out is not None:
        raise UsageError(
            "--check only looks at a repository; it does not go with --engine or --out.", fix="Choose one."
        )
    from ran_deploy.packaging.lint import lint_repository

    result = lint_repository(repository)
    counted = f"{result.errors} errors, {len(result.findings) - result.errors} warnings"
    models = "1 model" if len(result.models) == 1 else f"{len(result.models)} models"
    lines = [f"{repository}  {models} ({', '.join(result.models)}): {counted}"]
    for finding in result.findings:
        lines += ["", f"{finding.severity}  {finding.rule}", *_place(finding), *fact("", finding.message)]
        lines += fact("", f"fix: {finding.fix}")
    emit(result, "package-check/v1", as_json=as_json, lines=lines)
    if result.errors:
        note(f"error: Triton would refuse {repository}, or answer wrongly, for {result.errors} reasons.")
        raise typer.Exit(GateError.exit_code)


def _place(finding: "Finding") -> list[str]:
    return fact("", f"{finding.file}: {finding.field}" if finding.field else finding.file)
