"""``--format docker``: a folder that builds into a container with the engines, the service and nothing else."""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import ran_deploy
from ran_deploy.errors import IncompatibleError, UsageError
from ran_deploy.files import write_text
from ran_deploy.manifest import manifest_path
from ran_deploy.optional import versions
from ran_deploy.packaging.docker_files import IGNORE, dockerfile_text, requirements_text
from ran_deploy.packaging.folder import list_files, new_folder
from ran_deploy.packaging.pins import pin
from ran_deploy.packaging.record import ModelRecord, PackageRecord, VersionRecord, write_record
from ran_deploy.packaging.result import PackageResult
from ran_deploy.packaging.sbom import SBOM, Library, Model, sbom_text
from ran_deploy.packaging.source import EngineSource, model_names
from ran_deploy.runtime.open import Runtime

CORE = ("numpy", "onnx", "pillow", "safetensors", "typer")
SERVE = ("grpcio", "httptools", "prometheus-client", "starlette", "tritonclient[grpc]", "uvicorn", "uvloop")
"""What the package itself and its extra "serve" need; a test compares them with ``pyproject.toml``."""
_RUNTIMES: dict[str, tuple[str, ...]] = {
    "auto": ("onnxruntime",),
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-bf16": ("openvino",),
}
_PLANS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt-rtx-cu13"}
_CUDA = ("cuda-core", "cuda-bindings")
_BASES = {(3, 11): "3.11.13", (3, 12): "3.12.11", (3, 13): "3.13.7"}
"""Releases of Python with an official image on Debian 12."""
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:-]*?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "_models", ".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerOptions:
    """How a container is built.

    Raises:
        UsageError: A port is out of range, or the image is not pinned.
    """

    base_image: str | None = None
    """The image to begin with, by tag or better by digest; None: Python's official slim image of this minor version."""
    port: int = 8000
    """Of HTTP."""
    grpc_port: int = 8001
    runtime: Runtime = "auto"
    """What runs ``.onnx`` engines: ONNX Runtime, or OpenVINO; on the CPU."""

    def __post_init__(self) -> None:
        """Check ports and image."""
        if not (1024 <= self.port <= 65535 and 1024 <= self.grpc_port <= 65535) or self.port == self.grpc_port:
            raise UsageError(
                f"The ports are {self.port} and {self.grpc_port}; expected two different ones from 1024 to 65535, "
                "which need no rights.",
                fix="Correct --port or --grpc-port.",
            )
        if self.base_image is not None:
            match = _IMAGE.fullmatch(self.base_image)
            if match is None or not (match[1] or match[2]) or (match[1] == ":latest" and not match[2]):
                raise UsageError(
                    f"The base image {self.base_image!r} is not pinned; it would be another one tomorrow.",
                    fix="Add a tag such as :3.11.13-slim-bookworm, or better a digest @sha256:….",
                )
        if self.runtime not in _RUNTIMES:
            raise UsageError(
                f"The runtime {self.runtime} is not one for this container.", fix=f"Choose from {', '.join(_RUNTIMES)}."
            )


def package_docker(
    sources: tuple[EngineSource, ...], out: Path, *, name: str | None, options: DockerOptions, force: bool
) -> PackageResult:
    """Make a container's folder; arguments and errors as in ``package``.

    Raises:
        MissingError: A package that the service needs is not installed here, so that there is no version to pin.
        IncompatibleError: A plan was built by another TensorRT than the installed one.
    """
    names = model_names(sources, name)
    on_gpu = any(source.kind == "plan" for source in sources)
    if on_gpu and options.runtime != "auto":
        raise UsageError(f"--runtime {options.runtime} is for .onnx engines, but there is a plan.", fix="Leave it out.")
    pins = pin(_requirements(sources, options), fix=f"Run: pip install 'ran-deploy[{_extras(sources, options)}]'")
    base = options.base_image or _base_image()
    files = [f"{model}{source.path.suffix}" for model, source in zip(names, sources, strict=True)]
    models = tuple(_record(model, source) for model, source in zip(names, sources, strict=True))
    with new_folder(out, force=force) as folder:
        shutil.copytree(Path(ran_deploy.__file__).parent, folder / "app" / "ran_deploy", ignore=_NOT_COPIED)
        (folder / "engines").mkdir()
        for file, source in zip(files, sources, strict=True):
            engine = folder / "engines" / file
            shutil.copyfile(source.path, engine)
            shutil.copyfile(manifest_path(source.path), manifest_path(engine))
        text = dockerfile_text(
            base, files, port=options.port, grpc_port=options.grpc_port, runtime=options.runtime, on_gpu=on_gpu
        )
        write_text(folder / "Dockerfile", text)
        write_text(folder / ".dockerignore", IGNORE)
        write_text(folder / "requirements.txt", requirements_text(pins))
        write_text(folder / SBOM, _bill(models, sources, files, pins))
        write_record(folder, PackageRecord(format="docker", models=models))
    return PackageResult(
        path=out, format="docker", models=models, files=list_files(out), findings=None, notes=_notes(base)
    )


def _bill(
    models: tuple[ModelRecord, ...], sources: tuple[EngineSource, ...], files: list[str], pins: tuple[str, ...]
) -> str:
    libraries = [Library(name=name, version=version) for name, _, version in (line.partition("==") for line in pins)]
    engines = [
        Model(
            name=f"engines/{file}",
            sha256=str(source.manifest.sha256),
            facts=tuple(
                (f"made from {parent.role} {parent.name}", parent.sha256) for parent in source.manifest.parents
            ),
        )
        for file, source in zip(files, sources, strict=True)
    ]
    return sbom_text("-".join(model.name for model in models), ran_deploy.__version__, libraries, engines)


def _requirements(sources: tuple[EngineSource, ...], options: DockerOptions) -> list[str]:
    found = [*CORE, *SERVE]
    for source in sources:
        build = source.manifest.build
        if source.kind == "onnx":
            found += _RUNTIMES[options.runtime]
        elif build is not None:
            library = _PLANS[build.flavour]
            installed = versions(library).get(library)
            if installed is not None and installed != build.version:
                raise IncompatibleError(
                    f"{source.path} was built by {build.flavour} {build.version}; here is {library} {installed}.",
                    fix=f"Run: pip install '{library}=={build.version}', or build the plan again.",
                )
            found += [library, *_CUDA]
    return found


def _extras(sources: tuple[EngineSource, ...], options: DockerOptions) -> str:
    """The extras of ran-deploy that bring what is to be pinned."""
    runtime = "openvino" if options.runtime.startswith("openvino") else "cpu"
    found = [(runtime,) if source.flavour is None else (source.flavour, "gpu") for source in sources]
    return ",".join(dict.fromkeys(["serve", *(extra for extras in found for extra in extras)]))


def _base_image() -> str:
    here = sys.version_info[:2]
    if here not in _BASES:
        raise UsageError(
            f"No image is known for Python {here[0]}.{here[1]}, whose packages would be pinned.",
            fix="Give one with --base-image.",
        )
    return f"python:{_BASES[here]}-slim-bookworm"


def _record(name: str, source: EngineSource) -> ModelRecord:
    version = VersionRecord(version=1, engine=source.path.name, sha256=source.manifest.sha256)
    profile = source.profile
    return ModelRecord(
        name=name,
        backend="ran-deploy",
        max_batch=None if profile is None else profile.max_batch,
        on_gpu=source.kind == "plan",
        versions=(version,),
    )


def _notes(base: str) -> tuple[str, ...]:
    if "@sha256:" in base:
        return ()
    return (f"{base} is pinned by its tag; --base-image {base}@sha256:… pins its bytes.",)
