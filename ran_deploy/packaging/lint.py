"""The check of a Triton model repository: its syntax by Triton's own schema, and then what the fields mean.

Triton's schema accepts what Triton then refuses, or what gives other answers than intended: a preferred batch above the
largest, dims with the batch twice, a label too few. Each finding names the file, the field and the fix.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from ran_deploy.errors import MissingError, UsageError
from ran_deploy.packaging.lint_batching import check_batching
from ran_deploy.packaging.lint_devices import check_devices
from ran_deploy.packaging.lint_files import check_files
from ran_deploy.packaging.lint_outputs import check_labels
from ran_deploy.packaging.lint_tensors import check_tensors
from ran_deploy.packaging.lint_view import ModelView, read_config, view_model
from ran_deploy.packaging.lint_warmup import check_warmups
from ran_deploy.packaging.result import CheckResult, Finding
from ran_deploy.packaging.triton_config import CONFIG

_CHECKS: tuple[Callable[[ModelView], Iterator[Finding]], ...] = (
    check_devices,
    check_files,
    check_tensors,
    check_batching,
    check_labels,
    check_warmups,
)


def lint_repository(path: Path | str) -> CheckResult:
    """Check a Triton model repository, whoever made it; nothing is run.

    Args:
        path: The repository: a folder with one folder for each model.

    Raises:
        UsageError: It is not a folder, or has no model.
        MissingError: tritonclient, whose schema is used, is not installed.
    """
    repository = Path(path)
    if not repository.is_dir():
        raise UsageError(f"{repository} is not a folder.", fix="Give the folder of a Triton model repository.")
    folders = sorted(place for place in repository.iterdir() if place.is_dir() and not place.name.startswith("."))
    if not folders:
        raise UsageError(f"{repository} has no model folder.", fix="Give the folder that holds the models' folders.")
    findings = [finding for folder in folders for finding in _check_model(repository, folder)]
    return CheckResult(path=repository, models=tuple(folder.name for folder in folders), findings=tuple(findings))


def lint_where_possible(path: Path) -> tuple[Finding, ...] | None:
    """Return what the check of a repository finds; None where tritonclient is not installed."""
    try:
        return lint_repository(path).findings
    except MissingError:
        return None


def _check_model(repository: Path, folder: Path) -> Iterator[Finding]:
    path = folder / CONFIG
    place = path.relative_to(repository).as_posix()
    if not path.is_file():
        yield Finding(
            severity="error",
            rule="files",
            file=place,
            field="",
            message=f"The model {folder.name} has no {CONFIG}.",
            fix="Package the engine with ran-deploy, or move the folder away.",
        )
        return
    try:
        config = read_config(path.read_text(encoding="utf-8", errors="replace"))
    except UsageError as error:
        yield Finding(
            severity="error",
            rule="syntax",
            file=place,
            field="",
            message=f"Triton's schema does not know this: {error.message}",
            fix="Correct the line, or package the engine again.",
        )
        return
    model, problems = view_model(repository, folder, config)
    yield from problems
    if config.name and config.name != folder.name:
        yield model.error(
            "name", "name", f"The model is named {config.name!r} in a folder {folder.name!r}.", "Make them the same."
        )
    for check in _CHECKS:
        yield from check(model)
