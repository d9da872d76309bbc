"""A further version of a model in a Triton repository that may be in use.

Triton reads the repository while it runs, so the version's folder appears whole, by one rename, and ``config.pbtxt``,
which belongs to all versions, stays as it is: the new engine has to fit it.
"""

from dataclasses import replace
from pathlib import Path

from ran_deploy.config import from_mapping, to_mapping
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import write_text
from ran_deploy.interrupts import ctrl_c_deferred
from ran_deploy.manifest import Contract, Manifest, read_manifest
from ran_deploy.packaging.folder import staging, sync_tree
from ran_deploy.packaging.record import RECORD, ModelRecord, PackageRecord, read_record, write_record
from ran_deploy.packaging.source import EngineSource
from ran_deploy.packaging.triton import engine_checksums, write_version
from ran_deploy.packaging.triton_choice import choose
from ran_deploy.packaging.triton_config import CONFIG, agents_text, engine_file
from ran_deploy.packaging.triton_options import TritonOptions

_ANEW = "Make the package anew with --force, or choose another --out."


def add_version(
    repository: Path, name: str | None, source: EngineSource, *, options: TritonOptions, version: int
) -> ModelRecord:
    """Put an engine beside the earlier versions of a model.

    Args:
        repository: A Triton repository that ran-deploy made.
        name: The model; None: the only one that the repository has, or the one named like the engine's file.
        source: The engine.
        options: The defaults, or those that the repository was made with.
        version: Number of the version, which must be free.

    Returns:
        The model's new record.

    Raises:
        UsageError: The folder is not such a repository, the version is there already, or the engine does not fit the
            model's ``config.pbtxt``.
        IntegrityError: The repository is damaged.
    """
    record = _record(repository)
    model = _model(record, repository, name or source.path.stem, given=name is not None)
    if version in (earlier.version for earlier in model.versions) or (repository / model.name / str(version)).exists():
        raise UsageError(
            f"{repository / model.name} has a version {version} already.", fix="Give a higher --version, which is free."
        )
    stored = from_mapping(TritonOptions, model.options, where=str(repository / RECORD), error=IntegrityError)
    if to_mapping(options) not in (to_mapping(stored), to_mapping(TritonOptions())):
        raise UsageError(
            f"The versions of {model.name} share one {CONFIG}, so options that change it do not go with --version.",
            fix=f"Leave them out. {_ANEW}",
        )
    folder = repository / model.name
    _check_fits(source, folder, model)
    choice = choose(source, replace(stored, max_batch=model.max_batch))
    if choice.backend != model.backend:
        raise UsageError(
            f"{source.path} runs in Triton's back end {choice.backend}, but {model.name} is one for {model.backend}.",
            fix=_ANEW,
        )
    with staging(repository) as temporary:
        added = write_version(temporary, source, choice, version)
        sync_tree(temporary)
        earlier_checks = engine_checksums(folder) if stored.checksum else {}
        with ctrl_c_deferred():
            (temporary / str(version)).replace(folder / str(version))
            if stored.checksum:
                _renew_checksums(folder, earlier_checks)
            grown = replace(model, versions=(*model.versions, added))
            models = tuple(grown if other.name == model.name else other for other in record.models)
            write_record(repository, replace(record, models=models))
    return grown


def _record(repository: Path) -> PackageRecord:
    record = read_record(repository) if repository.is_dir() else None
    if record is None or record.format != "triton":
        raise UsageError(
            f"{repository} is not a Triton repository that ran-deploy made, so there is nothing to add a version to.",
            fix="Leave --version out, or give the repository's folder with --out.",
        )
    return record


def _model(record: PackageRecord, repository: Path, name: str, *, given: bool) -> ModelRecord:
    found = [model for model in record.models if model.name == name]
    if not found and not given and len(record.models) == 1:
        found = list(record.models)
    if not found:
        known = ", ".join(model.name for model in record.models)
        raise UsageError(f"{repository} has no model {name}; it has {known}.", fix="Choose one of them with --name.")
    return found[0]


def _check_fits(source: EngineSource, folder: Path, model: ModelRecord) -> None:
    newest = folder / str(max(version.version for version in model.versions))
    engines = [path for path in newest.glob("model.*") if path.suffix in (".onnx", ".plan")]
    if not engines or (earlier := read_manifest(engines[0])) is None:
        raise IntegrityError(f"{newest} has no engine with a manifest.", fix=_ANEW)
    if engines[0].name != engine_file(source):
        raise UsageError(
            f"{source.path} would be {engine_file(source)}, but the earlier version is {engines[0].name}.", fix=_ANEW
        )
    if difference := _difference(source.contract, earlier):
        raise UsageError(
            f"{source.path} has another {difference} than version {newest.name} of {model.name}.", fix=_ANEW
        )


def _difference(contract: Contract, earlier: Manifest) -> str | None:
    """Name what clients would notice, or what ``config.pbtxt`` says of all versions."""
    for field in ("input", "output", "masks", "labels", "preprocessing"):
        if getattr(contract, field) != getattr(earlier.contract, field):
            return field
    return None


def _renew_checksums(folder: Path, before: dict[str, str]) -> None:
    path = folder / CONFIG
    text, end = path.read_text(encoding="utf-8"), agents_text(before)
    if not text.endswith(end):
        raise IntegrityError(f"The checksums in {path} are not those of its engines.", fix=_ANEW)
    write_text(path, text.removesuffix(end) + agents_text(engine_checksums(folder)))
