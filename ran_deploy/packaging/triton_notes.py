"""What must hold where a Triton repository is used: what no file in it can ensure."""

from collections.abc import Sequence

from ran_deploy.packaging.record import ModelRecord
from ran_deploy.packaging.source import EngineSource


def triton_notes(models: Sequence[ModelRecord], sources: Sequence[EngineSource]) -> tuple[str, ...]:
    """Return one sentence for each thing that the server has to provide, without repetitions."""
    found = [note for model, source in zip(models, sources, strict=True) for note in _notes(model, source)]
    return tuple(dict.fromkeys(found))


def _notes(model: ModelRecord, source: EngineSource) -> list[str]:
    notes = []
    if model.backend == "tensorrt" and (build := source.manifest.build):
        notes.append(
            f"{model.name}: the server's TensorRT must be {build.version}, for a GPU of {', '.join(build.targets)}."
        )
    if model.backend == "python":
        notes.append(
            f"{model.name}: the Python of the server's python back end needs ran-deploy and the engine's runtime, "
            "such as pip install 'ran-deploy[cpu]'."
        )
    if model.backend == "openvino":
        notes.append(
            f"{model.name}: on CPUs with bfloat16 Triton's back end openvino computes in it, and has no option against "
            "it; --triton-backend python --runtime openvino computes in float32."
        )
        if model.max_batch:
            notes.append(
                f"{model.name}: the back end openvino fills every batch up to {model.max_batch} images; "
                "--max-batch 0 runs requests as they come."
            )
    if model.options.get("checksum"):
        notes.append(f"{model.name}: the server must have Triton's checksum agent, or it will not load the model.")
    return notes
