"""``--format archive``: an engine, its manifest, labels and preprocessing in one file with always the same bytes.

The format is in ``docs/archive.md``: a ZIP (PKWARE's APPNOTE 6.3) with stored entries, a header first and the engine
last, whose bytes begin at a multiple of 64.
"""

import json
import zipfile
from pathlib import Path

from ran_deploy.config import to_mapping
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.files import atomic_path, sha256_bytes
from ran_deploy.manifest import manifest_path
from ran_deploy.packaging.record import ModelRecord, VersionRecord
from ran_deploy.packaging.result import PackagedFile, PackageResult
from ran_deploy.packaging.source import EngineSource
from ran_deploy.runtime.archive import ARCHIVE_SUFFIX, HEADER, ArchivedFile, ArchiveHeader, extracted, read_header

ALIGNMENT = 64
"""The engine's bytes begin at a multiple of this, so that a reader can map them and hand them on as they are."""
_MAX_ENGINE_BYTES = (1 << 31) - 1
"""The largest that a ZIP holds without the extension for large files, which readers in C would have to know, too."""
_LOCAL_HEADER_BYTES = 30
_PADDING_ID = 0xD935
"""The extra field by which zipalign pads entries: an alignment of two bytes, and then zeros."""
_LEAST_PADDING = 6
_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP can say; a real one would make the bytes differ."""
_UNIX = 3
_READABLE = 0o100644 << 16


def package_archive(source: EngineSource, out: Path, *, force: bool) -> PackageResult:
    """Write an engine's archive, and read it back before it takes its name.

    Args:
        source: The engine.
        out: The archive, whose name ends in ``.ran``.
        force: Replace an earlier archive.

    Raises:
        UsageError: ``out`` has another ending, is there already or cannot be written, or the engine is too large.
    """
    _check_target(out, force=force)
    size = source.path.stat().st_size
    if size > _MAX_ENGINE_BYTES:
        raise UsageError(f"{source.path} has {size} bytes; an archive holds up to {_MAX_ENGINE_BYTES}.")
    engine = source.path.name
    texts = {
        f"{engine}.manifest.json": manifest_path(source.path).read_bytes(),
        "labels.txt": "".join(f"{label}\n" for label in source.contract.labels).encode(),
        "preprocessing.json": _json(to_mapping(source.contract.preprocessing)),
    }
    content = source.path.read_bytes()
    entries = {**texts, engine: content}
    files = tuple(
        ArchivedFile(name=name, size_bytes=len(data), sha256=sha256_bytes(data)) for name, data in entries.items()
    )
    if files[-1].sha256 != source.manifest.sha256:
        raise IntegrityError(f"{source.path} was changed while it was packaged.", fix="Package it again.")
    header = _json(to_mapping(ArchiveHeader(engine=engine, files=files)))
    with atomic_path(out) as temporary:
        with zipfile.ZipFile(temporary, "w", allowZip64=False) as archive:
            for name, data in {HEADER: header, **entries}.items():
                archive.writestr(_entry(archive, name, aligned=name == engine), data)
        with extracted(temporary):
            pass
    version = VersionRecord(version=1, engine=engine, sha256=source.manifest.sha256)
    profile = source.profile
    return PackageResult(
        path=out,
        format="archive",
        models=(
            ModelRecord(
                name=out.stem,
                backend="ran-deploy",
                max_batch=None if profile is None else profile.max_batch,
                on_gpu=None if source.kind == "onnx" else True,
                versions=(version,),
            ),
        ),
        files=tuple(PackagedFile(path=file.name, size_bytes=file.size_bytes, sha256=file.sha256) for file in files),
        findings=None,
        notes=(),
    )


def _check_target(out: Path, *, force: bool) -> None:
    if out.suffix != ARCHIVE_SUFFIX:
        raise UsageError(
            f"{out} would be no archive: its name must end in {ARCHIVE_SUFFIX}.", fix="Choose another --out."
        )
    if not out.exists():
        return
    if not force:
        raise UsageError(f"{out} is there already.", fix="Replace it with --force, or choose another --out.")
    try:
        read_header(out)
    except IntegrityError as error:
        raise UsageError(f"{out} is there already, and is not an archive.", fix="Choose another --out.") from error


def _entry(archive: zipfile.ZipFile, name: str, *, aligned: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = _UNIX
    entry.external_attr = _READABLE
    if aligned:
        begin = archive.start_dir + _LOCAL_HEADER_BYTES + len(name) + _LEAST_PADDING
        zeros = -begin % ALIGNMENT
        fields = (_PADDING_ID, 2 + zeros, ALIGNMENT)
        entry.extra = b"".join(field.to_bytes(2, "little") for field in fields) + bytes(zeros)
    return entry


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
