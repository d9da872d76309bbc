"""Model repositories for Triton: whole new ones, and further versions in an earlier one.

Layout: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.packaging.record import ModelRecord, VersionRecord
from ran_deploy.packaging.source import EngineSource
from ran_deploy.packaging.triton_choice import TritonChoice, choose
from ran_deploy.packaging.triton_config import CONFIG, LABELS, config_text, engine_file
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.packaging.warmup import WARMUP_FOLDER, make_warmups

_MODEL_PY = "model.py"
_MODEL_SOURCE = Path(__file__).with_name("triton_model.py")


def write_model(
    repository: Path,
    name: str,
    source: EngineSource,
    *,
    options: TritonOptions,
    version: int,
    samples: Sequence[Path] | None,
) -> ModelRecord:
    """Write one model into a repository that is being made.

    Args:
        repository: The repository's folder.
        name: The model's name.
        source: The engine.
        options: How Triton serves it.
        version: Number of the version.
        samples: Images to warm up with; None: those that ship with the project.

    Raises:
        UsageError: The options and the engine do not go together, or a label or an image cannot be used.
        IntegrityError: An image is damaged.
    """
    choice = choose(source, options)
    folder = repository / name
    folder.mkdir()
    version_record = write_version(folder, source, choice, version)
    (folder / LABELS).write_text(_labels(source), encoding="utf-8")
    warmups = make_warmups(source.contract, choice, samples)
    (folder / WARMUP_FOLDER).mkdir()
    for warmup in warmups:
        (folder / WARMUP_FOLDER / warmup.file).write_bytes(warmup.content)
    config = config_text(
        name,
        source,
        options=options,
        choice=choice,
        warmups=warmups,
        checksums=engine_checksums(folder) if options.checksum else {},
    )
    (folder / CONFIG).write_text(config, encoding="utf-8")
    return ModelRecord(
        name=name,
        backend=choice.backend,
        max_batch=choice.max_batch,
        on_gpu=choice.on_gpu,
        versions=(version_record,),
        options=to_mapping(options),
    )


def write_version(folder: Path, source: EngineSource, choice: TritonChoice, version: int) -> VersionRecord:
    """Write one version's folder: the engine, its manifest, and for the python back end the program around them."""
    place = folder / str(version)
    place.mkdir()
    engine = place / engine_file(source)
    shutil.copyfile(source.path, engine)
    shutil.copyfile(manifest_path(source.path), manifest_path(engine))
    if choice.backend == "python":
        shutil.copyfile(_MODEL_SOURCE, place / _MODEL_PY)
    return VersionRecord(version=version, engine=source.path.name, sha256=source.manifest.sha256)


def engine_checksums(folder: Path) -> dict[str, str]:
    """Return the MD5 of each engine in a model's folder, by its name relative to that folder."""
    return {
        f"{engine.parent.name}/{engine.name}": hashlib.md5(engine.read_bytes(), usedforsecurity=False).hexdigest()
        for engine in sorted(folder.glob("*/model.*"))
        if engine.suffix in (".onnx", ".plan")
    }


def _labels(source: EngineSource) -> str:
    labels = source.contract.labels
    if broken := [label for label in labels if len(label.splitlines()) > 1]:
        raise UsageError(
            f"The label {broken[0]!r} has a line break, but Triton reads one label a line.", fix="Rename the class."
        )
    return "".join(f"{label}\n" for label in labels)
