"""``--format triton``: a model repository as a package."""

from collections.abc import Sequence
from pathlib import Path

from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.packaging.folder import list_files, new_folder
from ran_deploy.packaging.lint import lint_where_possible
from ran_deploy.packaging.record import ModelRecord, PackageRecord, write_record
from ran_deploy.packaging.result import Finding, PackageResult
from ran_deploy.packaging.source import EngineSource, model_names
from ran_deploy.packaging.triton import write_model
from ran_deploy.packaging.triton_add import add_version
from ran_deploy.packaging.triton_notes import triton_notes
from ran_deploy.packaging.triton_options import TritonOptions


def package_triton(
    sources: tuple[EngineSource, ...],
    out: Path,
    *,
    name: str | None,
    options: TritonOptions,
    samples: Sequence[Path] | None,
    version: int | None,
    force: bool,
) -> PackageResult:
    """Make a model repository, or add a version to one; arguments and errors as in ``package``."""
    if version is not None and version < 1:
        raise UsageError(f"--version is {version}; Triton counts versions from 1.", fix="Give a higher one.")
    if version is not None and not force and out.is_dir() and any(out.iterdir()):
        if len(sources) > 1:
            raise UsageError("--version adds one engine to a repository, but there are several.", fix="Give one.")
        models: tuple[ModelRecord, ...] = (add_version(out, name, sources[0], options=options, version=version),)
        findings = check(out)
    else:
        with new_folder(out, force=force) as folder:
            models = write_repository(
                folder,
                sources,
                names=model_names(sources, name),
                options=options,
                samples=samples,
                version=version or 1,
            )
            findings = check(folder)
    return PackageResult(
        path=out,
        format="triton",
        models=models,
        files=list_files(out),
        findings=findings,
        notes=triton_notes(models, sources),
    )


def write_repository(
    folder: Path,
    sources: tuple[EngineSource, ...],
    *,
    names: tuple[str, ...],
    options: TritonOptions,
    samples: Sequence[Path] | None,
    version: int = 1,
) -> tuple[ModelRecord, ...]:
    """Write the models and the record of a repository into an empty folder."""
    models = tuple(
        write_model(folder, name, source, options=options, version=version, samples=samples)
        for name, source in zip(names, sources, strict=True)
    )
    write_record(folder, PackageRecord(format="triton", models=models))
    return models


def check(repository: Path) -> tuple[Finding, ...] | None:
    """Return what the check of a repository that was just written finds; None where it cannot be made.

    Raises:
        RanDeployError: It finds an error, which is a fault of ran-deploy.
    """
    findings = lint_where_possible(repository)
    for finding in findings or ():
        if finding.severity == "error":
            raise RanDeployError(
                f"The repository would not work: {finding.file}, {finding.field}: {finding.message}",
                fix=f"{finding.fix} Please report this.",
            )
    return findings
