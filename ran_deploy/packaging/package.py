"""``package``: engines into the form that a server, a cluster or another machine takes."""

from collections.abc import Sequence
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.packaging.archive import package_archive
from ran_deploy.packaging.docker import DockerOptions, package_docker
from ran_deploy.packaging.kserve import KserveOptions, package_kserve
from ran_deploy.packaging.result import Format, PackageResult
from ran_deploy.packaging.source import read_source
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.packaging.triton_package import package_triton


def package(
    engines: Sequence[Path | str],
    out: Path | str,
    *,
    format: Format,  # noqa: A002  # the option's name
    name: str | None = None,
    triton: TritonOptions | None = None,
    kserve: KserveOptions | None = None,
    docker: DockerOptions | None = None,
    samples: Sequence[Path] | None = None,
    version: int | None = None,
    force: bool = False,
) -> PackageResult:
    """Package engines for where they are used.

    Args:
        engines: ``.onnx`` or ``.plan`` files, each with its manifest beside it.
        out: The folder to make; for an archive the file, which ends in ``.ran``.
        format: "triton": a model repository. "kserve": one, and the InferenceService that has Triton serve it.
            "docker": what builds into a container with the engines and ``ran-deploy serve``. "archive": one file with
            one engine, its manifest, labels and preprocessing, which :func:`~ran_deploy.open_engine` opens.
        name: Name of the model, for a single engine; None: each file's own.
        triton: How Triton serves the engines, for "triton" and "kserve".
        kserve: How the cluster runs the service; "kserve" needs it.
        docker: How the container is built.
        samples: Images, or folders of images, to warm Triton's models up with; None: those that ship with the project.
        version: "triton": number of the version; with a repository at ``out`` already, the engine is put beside the
            earlier ones. None: 1, in a new repository.
        force: Replace an earlier package at ``out``.

    Raises:
        UsageError: An option and an engine do not go together, a file is missing, or ``out`` is there already.
        IntegrityError: An engine is not the one that its manifest describes, or an image is damaged.
        IncompatibleError: "docker": a plan was built by another TensorRT than the installed one.
        MissingError: "docker": a package whose version is to be pinned is not installed.
    """
    given = {"triton": triton, "kserve": kserve, "docker": docker, "samples": samples, "version": version, "name": name}
    _check_options(format, {option for option, value in given.items() if value is not None})
    if not engines:
        raise UsageError("There is no engine to package.", fix="Give at least one --engine.")
    if format == "archive" and len(engines) > 1:
        raise UsageError(f"An archive holds one engine; there are {len(engines)}.", fix="Make one for each.")
    sources = tuple(read_source(Path(engine)) for engine in engines)
    out = Path(out)
    if format == "archive":
        return package_archive(sources[0], out, force=force)
    if format == "docker":
        return package_docker(sources, out, name=name, options=docker or DockerOptions(), force=force)
    options = triton or TritonOptions()
    if format == "triton":
        return package_triton(sources, out, name=name, options=options, samples=samples, version=version, force=force)
    if kserve is None:
        raise UsageError(
            "A service of KServe needs to know where its repository is.",
            fix="Give --storage-uri, such as s3://BUCKET/models.",
        )
    return package_kserve(sources, out, name=name, options=options, kserve=kserve, samples=samples, force=force)


_TAKES: dict[Format, set[str]] = {
    "triton": {"triton", "samples", "version", "name"},
    "kserve": {"triton", "kserve", "samples", "name"},
    "docker": {"docker", "name"},
    "archive": set(),
}


def _check_options(format: Format, given: set[str]) -> None:  # noqa: A002
    """Refuse what a format would ignore."""
    if format not in _TAKES:
        raise UsageError(f"The format is {format!r}; expected one of {', '.join(_TAKES)}.", fix="Correct --format.")
    if odd := sorted(given - _TAKES[format]):
        raise UsageError(f"Options for {odd[0]} do not go with --format {format}.", fix="Leave them out.")
