"""What the page says of the models that are served."""

from pathlib import Path
from typing import Any

from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.masks import has_masks
from ran_deploy.serving.results import ModelMetadata


def models_document(host: ModelHost) -> list[dict[str, Any]]:
    """Return each model with its versions, oldest first: state, reason, and what is known of it where it is ready."""
    models: dict[str, list[dict[str, Any]]] = {}
    for status in host.models():
        facts = _facts(host.metadata(status.name, status.version)) if status.state == "ready" else None
        version = {"version": status.version, "state": status.state, "reason": status.reason, "facts": facts}
        models.setdefault(status.name, []).append(version)
    return [{"name": name, "versions": versions} for name, versions in models.items()]


def _facts(model: ModelMetadata) -> dict[str, Any]:
    rule = model.contract.preprocessing
    return {
        "rows": [[name, text] for name, text in _rows(model) if text],
        "preprocessing": {"resize": rule.resize, "size": rule.size},
        "masks": has_masks(model),
    }


def _rows(model: ModelMetadata) -> list[tuple[str, str]]:
    info, manifest, spec = model.info, model.manifest, model.contract.input
    release = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    shape = " × ".join(str(side) for side in spec.shape[1:])
    network = (
        f"{manifest.arch or 'not from the registry'} for {manifest.dataset or 'its own classes'}" if manifest else ""
    )
    random = " (random weights: its answers mean nothing)" if manifest and manifest.weights == "random" else ""
    return [
        ("engine", Path(info.engine).name),
        ("network", network + random),
        ("precision", info.precision),
        ("runtime", f"{release or info.runtime}, {info.provider}"),
        ("device", f"{info.device}, {info.threads} thread{'s' if info.threads > 1 else ''}"),
        ("input", f"{spec.dtype} {shape}, {spec.layout}"),
        ("classes", str(len(model.labels))),
        ("batches", f"of up to {model.max_batch} images"),
        ("sha256", model.sha256),
    ]
