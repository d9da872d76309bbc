"""A service for KServe: the fields of its API, and the repository that it points at.

Services like these were validated against the schema of the InferenceService in KServe's own custom resource
definition, with unknown fields forbidden; :data:`FIELDS` is what they use of it.
"""

from pathlib import Path
from typing import Any

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.packaging.kserve import KserveOptions
from ran_deploy.packaging.package import package
from ran_deploy.packaging.record import read_record
from ran_deploy.packaging.result import PackageResult
from ran_deploy.packaging.triton_options import TritonOptions
from tests.packaging.engines import plan_engine

S3 = "s3://models/ran"
FIELDS = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "metadata": {"name", "namespace"},
    "spec": {"predictor"},
    "predictor": {"minReplicas", "maxReplicas", "model"},
    "model": {
        "modelFormat",
        "runtime",
        "runtimeVersion",
        "protocolVersion",
        "image",
        "ports",
        "storageUri",
        "resources",
    },
    "modelFormat": {"name", "version"},
    "resources": {"requests", "limits"},
    "requests": {"cpu", "memory", "nvidia.com/gpu"},
    "limits": {"cpu", "memory", "nvidia.com/gpu"},
}


def made(engine: Path, out: Path, *, triton: TritonOptions | None = None, **options: Any) -> tuple[PackageResult, str]:
    service = KserveOptions(storage_uri=S3, **options)
    result = package([engine], out, format="kserve", kserve=service, triton=triton)
    return result, (out / "inferenceservice.yaml").read_text()


def check_fields(text: str) -> None:
    """Check that each mapping has fields of the API only; the text has two spaces for each level."""
    path: list[str] = []
    for line in text.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.strip().partition(":")[0]
        if name.startswith("-") or (path and path[-1] == "ports" and depth >= len(path)):
            continue
        path = [*path[:depth], name]
        assert name in FIELDS[path[-2] if len(path) > 1 else ""], path


def test_a_service_on_the_cpu(engine: Path, tmp_path: Path) -> None:
    result, text = made(engine, tmp_path / "out")
    assert text == (
        'apiVersion: "serving.kserve.io/v1beta1"\n'
        'kind: "InferenceService"\n'
        "metadata:\n"
        '  name: "small"\n'
        "spec:\n"
        "  predictor:\n"
        "    minReplicas: 1\n"
        "    model:\n"
        "      modelFormat:\n"
        '        name: "triton"\n'
        '        version: "2"\n'
        '      runtime: "kserve-tritonserver"\n'
        '      protocolVersion: "v2"\n'
        f'      storageUri: "{S3}"\n'
        "      resources:\n"
        "        requests:\n"
        '          cpu: "1"\n'
        '          memory: "2Gi"\n'
        "        limits:\n"
        '          cpu: "1"\n'
        '          memory: "2Gi"\n'
    )
    check_fields(text)
    inner = read_record(tmp_path / "out" / "model-repository")
    assert inner is not None
    assert inner.models == result.models
    assert result.notes[0].startswith(f"Copy {tmp_path / 'out' / 'model-repository'} to {S3}")


def test_a_service_on_gpus(tmp_path: Path) -> None:
    plan = plan_engine(tmp_path / "Att92_FP16.plan")
    options: dict[str, Any] = {
        "gpus": 2,
        "max_replicas": 4,
        "triton_version": "25.08-py3",
        "protocol": "grpc-v2",
        "namespace": "prod",
    }
    _, text = made(plan, tmp_path / "out", **options)
    check_fields(text)
    assert text.count('nvidia.com/gpu: "2"') == 2
    assert 'name: "att92-fp16"' in text
    for line in ("maxReplicas: 4", 'runtimeVersion: "25.08-py3"', 'namespace: "prod"', "- containerPort: 9000"):
        assert line in text


def test_a_further_version_goes_into_the_repository(engine: Path, tmp_path: Path) -> None:
    made(engine, tmp_path / "out")
    repository = tmp_path / "out" / "model-repository"
    package([engine], repository, format="triton", version=2)
    assert (repository / "small" / "2" / "model.onnx").is_file()


def test_the_back_end_python_needs_an_image_with_ran_deploy(engine: Path, tmp_path: Path) -> None:
    python = TritonOptions(backend="python")
    with pytest.raises(UsageError, match="has no ran-deploy in its Python"):
        made(engine, tmp_path / "out", triton=python)
    assert not (tmp_path / "out").exists()
    _, text = made(engine, tmp_path / "out", triton=python, image="registry.example/triton-ran:1")
    assert 'image: "registry.example/triton-ran:1"' in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"storage_uri": "/models"}, "--storage-uri is '/models'; KServe reads"),
        ({"storage_uri": "s3://"}, "--storage-uri is 's3://'"),
        ({"cpu": "two"}, "--cpu is 'two'; expected a quantity"),
        ({"memory": "4GB"}, "--memory is '4GB'"),
        ({"service": "My_Service"}, "--service is 'My_Service'"),
        ({"namespace": "-a"}, "--namespace is '-a'"),
        ({"min_replicas": 3, "max_replicas": 2}, "3 to 2 replicas"),
        ({"gpus": 0}, "of 0 GPUs"),
        ({"image": "a:1", "triton_version": "25.08-py3"}, "exclude each other"),
    ],
)
def test_what_kubernetes_would_refuse(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        KserveOptions(**{"storage_uri": S3, **options})


def test_a_name_that_no_service_can_have(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'92' cannot name a service"):
        package([engine], tmp_path / "out", format="kserve", name="92", kserve=KserveOptions(storage_uri=S3))


def test_without_a_place_for_the_repository(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs to know where its repository is"):
        package([engine], tmp_path / "out", format="kserve")
