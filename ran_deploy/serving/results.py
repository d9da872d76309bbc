"""What a host tells of its models, and what it answers."""

from dataclasses import dataclass
from typing import Literal

from ran_deploy.manifest import Contract, Manifest
from ran_deploy.runtime.predict import Guess
from ran_deploy.runtime.session import SessionInfo

State = Literal["loading", "ready", "unavailable", "unloaded"]
"""Where a model version stands; "unavailable": it was loaded, and its workers keep dying."""

PLATFORMS = {
    "torch": "pytorch_safetensors",
    "onnxruntime": "onnxruntime_onnx",
    "openvino": "openvino_onnx",
    "tensorrt": "tensorrt_plan",
    "tensorrt-rtx": "tensorrt_rtx_plan",
}
"""What the Open Inference Protocol calls each runtime with the format that it runs: "<project>_<format>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One version of one model that the host knows."""

    name: str
    version: str
    state: State
    reason: str = ""
    """Why it is not ready, in a sentence; empty when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """What a client must know of a model that is loaded."""

    name: str
    version: str
    versions: tuple[str, ...]
    """All loaded versions of the name, oldest first."""
    platform: str
    """One of :data:`PLATFORMS`."""
    contract: Contract
    """The batch of input and output is :data:`~ran_deploy.manifest.DYNAMIC`: any number of images is taken."""
    sha256: str
    """Of the engine's file."""
    info: SessionInfo
    """What really runs."""
    manifest: Manifest | None
    """None for an engine that was opened on trust."""
    max_batch: int
    """Most images in one run; larger requests are split."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.contract.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The likeliest classes of each image of one request."""

    name: str
    version: str
    sha256: str
    """Of the engine that answered."""
    predictions: tuple[tuple[Guess, ...], ...]
    """For each image, likeliest first."""
    decode_s: float
    """From the bytes to the tensor, waiting for a thread included."""
    queue_s: float
    """From the tensor until its computing began."""
    infer_s: float
    """From the tensor to the logits, the waiting included."""
