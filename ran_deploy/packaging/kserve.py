"""``--format kserve``: an InferenceService of KServe that has Triton serve a model repository, and that repository.

API: serving.kserve.io/v1beta1, https://kserve.github.io/website/docs/reference/crd-api. KServe's own runtime
``kserve-tritonserver`` starts ``tritonserver --model-store=/mnt/models`` on what it finds at the storage URI.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ran_deploy.errors import UsageError
from ran_deploy.files import write_text
from ran_deploy.packaging.folder import list_files, new_folder
from ran_deploy.packaging.record import ModelRecord, PackageRecord, write_record
from ran_deploy.packaging.result import PackageResult
from ran_deploy.packaging.source import EngineSource, model_names
from ran_deploy.packaging.triton_notes import triton_notes
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.packaging.triton_package import check, write_repository
from ran_deploy.packaging.yaml_text import to_yaml

REPOSITORY = "model-repository"
SERVICE = "inferenceservice.yaml"
_SCHEMES = ("gs://", "s3://", "hdfs://", "webhdfs://", "http://", "https://", "pvc://", "hf://", "oci://")
"""What KServe's storage initializer reads."""
_GRPC_PORTS = [{"containerPort": 9000, "name": "h2c", "protocol": "TCP"}]
"""Where Triton listens in KServe's runtime; without them KServe routes to the port of HTTP."""
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
"""Kubernetes' quantities, without the exponents that nobody writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KserveOptions:
    """How a cluster runs the service.

    Raises:
        UsageError: A value has a form that Kubernetes or KServe refuses.
    """

    storage_uri: str
    """Where the cluster finds the repository; you copy it there."""
    service: str | None = None
    """Name of the service; None: of the only model, or of the package's folder."""
    namespace: str | None = None
    cpu: str = "1"
    """CPUs of each replica, requested and allowed."""
    memory: str = "2Gi"
    gpus: int = 1
    """GPUs of each replica, where a model runs on them."""
    min_replicas: int = 1
    max_replicas: int | None = None
    triton_version: str | None = None
    """Tag of Triton's image, such as "25.08-py3"; None: the one that the cluster is set to."""
    image: str | None = None
    """A whole image instead, such as one whose Python has ran-deploy."""
    protocol: Literal["v2", "grpc-v2"] = "v2"

    def __post_init__(self) -> None:
        """Check the forms."""
        if not self.storage_uri.startswith(_SCHEMES) or self.storage_uri in _SCHEMES:
            raise UsageError(
                f"--storage-uri is {self.storage_uri!r}; KServe reads {', '.join(_SCHEMES)}…",
                fix="Give the place that you copy the repository to, such as s3://BUCKET/models.",
            )
        for option, value in (("--cpu", self.cpu), ("--memory", self.memory)):
            if not _QUANTITY.fullmatch(value):
                raise UsageError(
                    f"{option} is {value!r}; expected a quantity such as 2, 500m or 4Gi.", fix="Correct it."
                )
        for option, name in (("--service", self.service), ("--namespace", self.namespace)):
            if name is not None and not _NAME.fullmatch(name):
                raise UsageError(
                    f"{option} is {name!r}; expected small letters, digits and '-', a letter first.", fix="Correct it."
                )
        if self.min_replicas < 0 or self.gpus < 1 or (self.max_replicas or self.min_replicas or 1) < self.min_replicas:
            raise UsageError(
                f"There would be {self.min_replicas} to {self.max_replicas} replicas of {self.gpus} GPUs.",
                fix="Correct --min-replicas, --max-replicas or --gpus-per-replica.",
            )
        if self.image is not None and self.triton_version is not None:
            raise UsageError("--image and --triton-version exclude each other.", fix="Leave one out.")


def package_kserve(
    sources: tuple[EngineSource, ...],
    out: Path,
    *,
    name: str | None,
    options: TritonOptions,
    kserve: KserveOptions,
    samples: Sequence[Path] | None,
    force: bool,
) -> PackageResult:
    """Make a folder with a model repository and the service that runs it; arguments and errors as in ``package``."""
    names = model_names(sources, name)
    service = kserve.service or _service_name(names[0] if len(names) == 1 else out.resolve().name)
    with new_folder(out, force=force) as folder:
        repository = folder / REPOSITORY
        repository.mkdir()
        models = write_repository(repository, sources, names=names, options=options, samples=samples)
        findings = check(repository)
        if kserve.image is None and any(model.backend == "python" for model in models):
            raise UsageError(
                "KServe's Triton has no ran-deploy in its Python, which the back end python needs.",
                fix="Give an image that has both with --image, or another --triton-backend.",
            )
        write_text(folder / SERVICE, to_yaml(_service(service, models, kserve)))
        write_record(folder, PackageRecord(format="kserve", models=models))
    copy = f"Copy {out / REPOSITORY} to {kserve.storage_uri}, then run: kubectl apply -f {out / SERVICE}"
    return PackageResult(
        path=out,
        format="kserve",
        models=models,
        files=list_files(out),
        findings=findings,
        notes=(copy, *triton_notes(models, sources)),
    )


def _service(name: str, models: tuple[ModelRecord, ...], kserve: KserveOptions) -> dict[str, Any]:
    on_gpu = any(model.on_gpu for model in models)
    amounts = {"cpu": kserve.cpu, "memory": kserve.memory, "nvidia.com/gpu": str(kserve.gpus) if on_gpu else None}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": kserve.namespace},
        "spec": {
            "predictor": {
                "minReplicas": kserve.min_replicas,
                "maxReplicas": kserve.max_replicas,
                "model": {
                    "modelFormat": {"name": "triton", "version": "2"},
                    "runtime": "kserve-tritonserver",
                    "runtimeVersion": kserve.triton_version,
                    "protocolVersion": kserve.protocol,
                    "image": kserve.image,
                    "ports": _GRPC_PORTS if kserve.protocol == "grpc-v2" else None,
                    "storageUri": kserve.storage_uri,
                    "resources": {"requests": amounts, "limits": amounts},
                },
            }
        },
    }


def _service_name(name: str) -> str:
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].rstrip("-")
    if not _NAME.fullmatch(word):
        raise UsageError(f"{name!r} cannot name a service of Kubernetes.", fix="Give one with --service.")
    return word
