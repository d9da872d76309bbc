"""The accuracy gate inside ``quantize``: a converted model against its parent on images that it was not tuned on."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from ran_deploy.config import to_mapping
from ran_deploy.data.open import open_dataset
from ran_deploy.manifest import Manifest
from ran_deploy.quant.simulate import rounding_model
from ran_deploy.runtime.against import compare_sessions
from ran_deploy.runtime.batching import check_positive
from ran_deploy.runtime.gate import DEFAULT_MAX_DROP, Gate, require_gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The images of an accuracy gate, and how much a converted model may lose on them."""

    data: Path | None
    """The dataset's folder; None for ``synthetic``."""
    dataset: str | None = None
    """A dataset of the catalog; None: the model's own."""
    limit: int | None = None
    """Use only that many images of the test split, spread evenly over it."""
    max_drop: float | None = None
    """Percentage points of top-1 accuracy; None: 0.1 for fp16, 0.5 for int8."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UsageError: A value is out of range.
        """
        check_positive("The limit of evaluated images", self.limit)
        if self.max_drop is not None:
            Gate(max_drop=self.max_drop)


def prove_accuracy(
    reference: onnx.ModelProto,
    candidate: onnx.ModelProto,
    source: Manifest,
    precision: str,
    evaluation: Evaluation | None,
) -> dict[str, Any] | None:
    """Compare a converted model with its parent on the test split, and refuse one that loses too much.

    ONNX Runtime computes float16 in float32 on a CPU, so the rounding of a GPU is put back in.

    Args:
        reference: The float32 model.
        candidate: The converted model.
        source: The parent's manifest.
        precision: "fp16" or "int8".
        evaluation: The images; None: no gate.

    Returns:
        The comparison for the manifest; None without a gate.

    Raises:
        UsageError: The dataset is missing, or has other classes than the model.
        GateError: The model loses too much; ``details`` holds the comparison.
    """
    if evaluation is None:
        return None
    from ran_deploy.runtime.ort_session import OrtSession

    name = evaluation.dataset or source.dataset or ""
    images = open_dataset(name, evaluation.data, "test")
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "float32.onnx", Path(folder) / f"{precision}.onnx"
        onnx.save(reference, files[0])
        onnx.save(rounding_model(candidate), files[1])
        with OrtSession(files[0], source.contract) as first, OrtSession(files[1], source.contract) as second:
            _, _, paired = compare_sessions(first, second, images, limit=evaluation.limit)
    gate = Gate(max_drop=DEFAULT_MAX_DROP[precision] if evaluation.max_drop is None else evaluation.max_drop)
    result = require_gate(paired, gate, candidate=f"The {precision} model", reference="the float32 model")
    return {"dataset": name, "split": "test", **to_mapping(paired), "gate": to_mapping(result)}
