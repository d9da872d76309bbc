"""One model of a repository as the checks see it: its configuration, its versions, and what their engines say."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.manifest import Contract, Manifest, read_manifest
from ran_deploy.optional import require
from ran_deploy.packaging.result import Finding
from ran_deploy.packaging.triton_config import CONFIG, MODEL_FILES

PLATFORMS = {"tensorrt_plan": "tensorrt", "onnxruntime_onnx": "onnxruntime"}
"""The older names of two back ends, in the field ``platform``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version's folder."""

    number: int
    folder: Path
    engine: Path
    """Where the engine must be; it need not exist."""
    manifest: Manifest | None
    tensors: Contract | None
    """Input and output: of an ONNX model as the file itself has them, of a plan as its manifest says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model's folder."""

    repository: Path
    folder: Path
    config: Any
    """The parsed ``config.pbtxt``: a ``ModelConfig`` message of Triton's."""
    backend: str
    """Empty where the configuration does not say."""
    versions: tuple[VersionView, ...]
    parameters: dict[str, str]

    def error(self, rule: str, field: str, message: str, fix: str, *, file: Path | None = None) -> Finding:
        """Return a finding that makes the model unusable; without ``file`` it is about ``config.pbtxt``."""
        place = self._place(file)
        return Finding(severity="error", rule=rule, file=place, field=field, message=message, fix=fix)

    def warning(self, rule: str, field: str, message: str, fix: str, *, file: Path | None = None) -> Finding:
        """Return a finding that the model works with, but worse than it could."""
        place = self._place(file)
        return Finding(severity="warning", rule=rule, file=place, field=field, message=message, fix=fix)

    def _place(self, file: Path | None) -> str:
        place = file or self.folder / CONFIG
        # A configuration may name a file anywhere.
        return (place.relative_to(self.repository) if place.is_relative_to(self.repository) else place).as_posix()


def read_config(text: str) -> Any:
    """Parse a ``config.pbtxt`` by Triton's own protobuf classes, which refuse fields that Triton does not know.

    Raises:
        MissingError: tritonclient is not installed.
        UsageError: The text is not a ``ModelConfig``.
    """
    require("tritonclient.grpc", "Checking config.pbtxt by Triton's schema")
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise UsageError(str(error)) from error
    return config


def view_model(repository: Path, folder: Path, config: Any) -> tuple[ModelView, list[Finding]]:
    """Return a model as the checks see it, and what was already wrong with reading it."""
    backend = config.backend or PLATFORMS.get(config.platform, "")
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    name = parameters.get("engine", "") if backend == "python" else config.default_model_filename
    versions: list[VersionView] = []
    problems: list[tuple[Path, RanDeployError]] = []
    for place in _version_folders(folder):
        engine = place / Path(name or MODEL_FILES.get(backend, "model")).name
        manifest = tensors = None
        try:
            manifest = read_manifest(engine)
            tensors = _tensors(engine, manifest)
        except (IntegrityError, UsageError) as error:
            problems.append((engine, error))
        versions.append(
            VersionView(number=int(place.name), folder=place, engine=engine, manifest=manifest, tensors=tensors)
        )
    view = ModelView(
        repository=repository,
        folder=folder,
        config=config,
        backend=backend,
        versions=tuple(versions),
        parameters=parameters,
    )
    return view, [_problem(view, engine, error) for engine, error in problems]


def _problem(view: ModelView, engine: Path, error: RanDeployError) -> Finding:
    """A damaged file is an error; one that is no image classifier is only more than this check understands."""
    report = view.error if isinstance(error, IntegrityError) else view.warning
    return report("engine", "", error.message, error.fix, file=engine)


def _version_folders(folder: Path) -> Iterator[Path]:
    """Return the folders that Triton takes for versions, in their order."""
    numbered = [place for place in folder.iterdir() if place.is_dir() and place.name.isdecimal()]
    return iter(sorted((place for place in numbered if place.name[0] != "0"), key=lambda place: int(place.name)))


def _tensors(engine: Path, manifest: Manifest | None) -> Contract | None:
    if not engine.is_file():
        return None
    if engine.suffix == ".onnx":
        from ran_deploy.runtime.onnx_file import load_onnx, onnx_contract

        return onnx_contract(load_onnx(engine))
    return None if manifest is None else manifest.contract
