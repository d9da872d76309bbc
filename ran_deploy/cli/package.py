"""``ran-deploy package``: engines into a Triton repository, a KServe service, a container's folder or one file."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ran_deploy.cli.engine_options import Threads
from ran_deploy.cli.number_list import number_list
from ran_deploy.cli.output import JsonFlag
from ran_deploy.cli.package_report import check_repository, report
from ran_deploy.errors import UsageError

if TYPE_CHECKING:
    from ran_deploy.packaging.kserve import KserveOptions

EPILOG = """Examples:

ran-deploy package --engine att92_int8.onnx --format triton --out repository

ran-deploy package --engine better.onnx --format triton --out repository --version 2

ran-deploy package --check repository

ran-deploy package --engine att92_int8.onnx --format archive --out att92.ran
"""

_TRITON = "Triton (formats triton and kserve)"
_KSERVE = "KServe"
_DOCKER = "Docker"


def _triton(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_TRITON)


def package_command(
    engine: Annotated[
        list[Path] | None, typer.Option("--engine", help="A .onnx or .plan file; repeat it for several.")
    ] = None,
    format: Annotated[
        Literal["triton", "kserve", "docker", "archive"] | None, typer.Option(help="What to make.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to make; for an archive the .ran file.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of a single model (default: its file's).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier package at --out.")] = False,
    check: Annotated[
        Path | None, typer.Option(help="Make nothing: check a Triton repository, whoever made it. Exit code 3: errors.")
    ] = None,
    triton_backend: Annotated[
        Literal["auto", "tensorrt", "onnxruntime", "openvino", "python"],
        _triton("What runs the engine. auto: tensorrt or onnxruntime; python is ran-deploy's own session in Triton."),
    ] = "auto",
    version: Annotated[
        int | None, _triton("Number of the version; adds to a repository that is there already (default: 1, new).")
    ] = None,
    max_batch: Annotated[
        int | None, _triton("Largest batch; 0: none (default: the plan's; 64 for .onnx; 0 for openvino).")
    ] = None,
    preferred_batch: Annotated[
        str | None, _triton("Batch sizes to run as soon as reached, such as 8,64 (default: of a plan).")
    ] = None,
    queue_delay_us: Annotated[int, _triton("How long a request waits for others, in microseconds.")] = 1000,
    queue_size: Annotated[int, _triton("Requests that may wait; more are refused. 0: no limit.")] = 1024,
    queue_timeout_us: Annotated[int, _triton("Refuse requests that waited longer, in microseconds; 0: never.")] = 0,
    instances: Annotated[int, _triton("Copies of the model on each device.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "gpu"], _triton("Where the model runs. auto: plans on the GPU, else the CPU.")
    ] = "auto",
    gpus: Annotated[str | None, _triton("Numbers of the GPUs to use, such as 0,1 (default: all).")] = None,
    keep_versions: Annotated[int, _triton("How many of the newest versions are served.")] = 1,
    no_cuda_graphs: Annotated[
        bool, _triton("Back end tensorrt: launch kernels one by one.", "--no-cuda-graphs")
    ] = False,
    accelerator: Annotated[
        Literal["cuda", "tensorrt", "openvino"] | None,
        _triton("Back end onnxruntime: the execution provider to run the model in."),
    ] = None,
    checksum: Annotated[
        bool, _triton("Have Triton's checksum agent compare the engine's MD5 before it loads.", "--checksum")
    ] = False,
    samples: Annotated[
        list[Path] | None, _triton("Images, or folders of them, to warm up with (default: those that ship).")
    ] = None,
    threads: Threads = None,
    runtime: Annotated[
        Literal["auto", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "openvino", "openvino-bf16"],
        typer.Option(help="What runs an .onnx file in a container, or in Triton's back end python."),
    ] = "auto",
    storage_uri: Annotated[
        str | None,
        typer.Option(help="Where the cluster finds the repository: s3://…, pvc://….", rich_help_panel=_KSERVE),
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Name of the service (default: the model's).", rich_help_panel=_KSERVE)
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the service.", rich_help_panel=_KSERVE)] = None,
    cpu: Annotated[str, typer.Option(help="CPUs of each replica.", rich_help_panel=_KSERVE)] = "1",
    memory: Annotated[str, typer.Option(help="Memory of each replica.", rich_help_panel=_KSERVE)] = "2Gi",
    gpus_per_replica: Annotated[
        int, typer.Option(help="GPUs of each replica, where a model runs on them.", rich_help_panel=_KSERVE)
    ] = 1,
    min_replicas: Annotated[int, typer.Option(help="Fewest replicas.", rich_help_panel=_KSERVE)] = 1,
    max_replicas: Annotated[int | None, typer.Option(help="Most replicas.", rich_help_panel=_KSERVE)] = None,
    triton_version: Annotated[
        str | None, typer.Option(help="Tag of Triton's image, such as 25.08-py3.", rich_help_panel=_KSERVE)
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Another image of Triton, such as one with ran-deploy.", rich_help_panel=_KSERVE)
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="Image to begin with, by digest or tag.", rich_help_panel=_DOCKER)
    ] = None,
    port: Annotated[int, typer.Option(help="Port of HTTP in the container.", rich_help_panel=_DOCKER)] = 8000,
    grpc_port: Annotated[int, typer.Option(help="Port of gRPC in the container.", rich_help_panel=_DOCKER)] = 8001,
    as_json: JsonFlag = False,
) -> None:
    """Package engines for Triton, KServe or Docker, or into one file; each is whole and checked, or not written."""
    if check is not None:
        check_repository(check, engine, out, as_json=as_json)
        return
    if not engine or format is None or out is None:
        kind = "--format triton, kserve, docker or archive"
        missing = "--engine" if not engine else kind if format is None else "--out"
        raise UsageError(f"ran-deploy package needs {missing}.", fix="See: ran-deploy package --help")
    from ran_deploy.packaging.docker import DockerOptions
    from ran_deploy.packaging.package import package
    from ran_deploy.packaging.triton_options import TritonOptions

    if format == "archive" and runtime != "auto":
        raise UsageError("An archive runs in whatever opens it; --runtime does not go with it.", fix="Leave it out.")
    triton = TritonOptions(
        backend=triton_backend,
        max_batch=max_batch,
        preferred=None if preferred_batch is None else number_list("--preferred-batch", preferred_batch, int, "8,64"),
        queue_delay_us=queue_delay_us,
        queue_size=queue_size,
        queue_timeout_us=queue_timeout_us,
        instances=instances,
        device=device,
        gpus=() if gpus is None else number_list("--gpus", gpus, int, "0,1"),
        keep_versions=keep_versions,
        cuda_graphs=not no_cuda_graphs,
        accelerator=accelerator,
        threads=threads,
        runtime=runtime if format in {"triton", "kserve"} else "auto",
        checksum=checksum,
    )
    cluster = {
        "service": service,
        "namespace": namespace,
        "cpu": cpu,
        "memory": memory,
        "gpus": gpus_per_replica,
        "min_replicas": min_replicas,
        "max_replicas": max_replicas,
        "triton_version": triton_version,
        "image": image,
    }
    in_container: Any = runtime if format == "docker" else "auto"
    docker = DockerOptions(base_image=base_image, port=port, grpc_port=grpc_port, runtime=in_container)
    result = package(
        engine,
        out,
        format=format,
        name=name,
        triton=triton if triton != TritonOptions() else None,
        kserve=_kserve_options(storage_uri, cluster),
        docker=docker if docker != DockerOptions() else None,
        samples=samples,
        version=version,
        force=force,
    )
    report(result, as_json=as_json)


def _kserve_options(storage_uri: str | None, cluster: dict[str, Any]) -> "KserveOptions | None":
    from ran_deploy.packaging.kserve import KserveOptions

    if storage_uri is not None:
        return KserveOptions(storage_uri=storage_uri, **cluster)
    defaults = {field.name: field.default for field in dataclasses.fields(KserveOptions)}
    if changed := next((name for name, value in cluster.items() if value != defaults[name]), None):
        raise UsageError(
            f"An option of KServe is given ({changed}), but not where the repository will be.",
            fix="Give --storage-uri with --format kserve, or leave the option out.",
        )
    return None
