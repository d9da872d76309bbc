"""What a service tells of itself and of its models, as the JSON of the Open Inference Protocol v2 and its extensions.

gRPC's messages have the same fields, so the same documents are parsed into them.
"""

from typing import Any

from ran_deploy import __version__
from ran_deploy.manifest import TensorSpec
from ran_deploy.serving.results import ModelMetadata, ModelStatus
from ran_deploy.serving.tensors import DATATYPES

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
)
"""Of Triton's extensions, those that are spoken here."""
_STATES = {"ready": "READY", "loading": "LOADING", "unavailable": "UNAVAILABLE", "unloaded": "UNAVAILABLE"}


def server_document() -> dict[str, Any]:
    """Return the server's metadata."""
    return {"name": "ran-deploy", "version": __version__, "extensions": list(EXTENSIONS)}


def model_document(model: ModelMetadata) -> dict[str, Any]:
    """Return a model's metadata as the protocol has it."""
    return {
        "name": model.name,
        "versions": list(model.versions),
        "platform": model.platform,
        "inputs": [_tensor(model.contract.input)],
        "outputs": [_tensor(model.contract.output)],
    }


def described_document(model: ModelMetadata) -> dict[str, Any]:
    """Return a model's metadata with what only HTTP has a place for: labels, preprocessing and what really runs."""
    rule = model.contract.preprocessing
    manifest = model.manifest
    return {
        **model_document(model),
        "parameters": {
            "sha256": model.sha256,
            "arch": manifest.arch if manifest else None,
            "dataset": manifest.dataset if manifest else None,
            "precision": model.info.precision,
            "provider": model.info.provider,
            "device": model.info.device,
            "max_batch": model.max_batch,
            "layout": model.contract.input.layout,
            "preprocessing": {
                "resize": rule.resize,
                "size": rule.size,
                "interpolation": rule.interpolation,
                "mean": list(rule.mean),
                "std": list(rule.std),
            },
            "labels": list(model.labels),
        },
    }


def config_document(model: ModelMetadata, max_delay_s: float) -> dict[str, Any]:
    """Return a model's configuration in Triton's form, which its load generators read: dimensions without the batch."""
    spec, output = model.contract.input, model.contract.output
    return {
        "name": model.name,
        "platform": model.platform,
        "backend": model.info.runtime,
        "max_batch_size": model.max_batch,
        "version_policy": {"latest": {"num_versions": len(model.versions)}},
        "input": [_config_tensor(spec)],
        "output": [_config_tensor(output)],
        "dynamic_batching": {"max_queue_delay_microseconds": round(1e6 * max_delay_s)},
    }


def index_document(models: tuple[ModelStatus, ...], *, ready: bool) -> list[dict[str, str]]:
    """Return the repository's index; with ``ready`` only of models that take requests."""
    return [
        {"name": model.name, "version": model.version, "state": _STATES[model.state], "reason": model.reason}
        for model in models
        if model.state == "ready" or not ready
    ]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": list(spec.shape)}


def _config_tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "data_type": f"TYPE_{DATATYPES[spec.dtype]}", "dims": list(spec.shape[1:])}
