"""What decides an INT8 model beside the float model and the images, checked, and as the manifest records it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ran_deploy.errors import UsageError
from ran_deploy.optional import versions
from ran_deploy.quant.calibrate import METHODS, Method
from ran_deploy.quant.observed import method_settings

HighPrecision = Literal["fp32", "fp16"]
Backend = Literal["own", "modelopt"]
DEFAULT_METHODS: dict[Backend, Method] = {"own": "percentile", "modelopt": "entropy"}
"""Trained Attention-92, 2,000 test images of CIFAR-10, 512 for calibration: agreement with float32 98.80% (29.7 dB) by
percentile, 98.70% (29.5 dB) by entropy, 98.40% (27.7 dB) by minmax; no method differs from another significantly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Plan:
    """How to quantize."""

    method: Method
    """How the range of an activation is chosen."""
    high_precision: HighPrecision
    """What is not INT8 is this."""
    keep: frozenset[str]
    """Nodes that stay in that precision."""
    classifier: bool
    """Whether the classifier becomes INT8, too."""
    backend: Backend
    """What places Q/DQ."""
    reduce_range: bool = False
    """Whether weights have 7 bits, for CPUs that add up INT8 products in 16 bits."""
    auto: Mapping[str, Any] | None = None
    """How ``keep`` was found, for the manifest; None: it was given."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: One of them is unknown, or does not go with another.
        """
        known = {"method": METHODS, "high_precision": get_args(HighPrecision), "backend": get_args(Backend)}
        for name, values in known.items():
            if getattr(self, name) not in values:
                what = name.replace("_", " ")
                raise UsageError(f"The {what} is {getattr(self, name)!r}.", fix=f"Use one of {', '.join(values)}.")
        if self.classifier and self.backend == "modelopt":
            raise UsageError("ModelOpt decides by itself about the classifier.", fix="Leave --quantize-classifier out.")
        if self.reduce_range and self.backend == "modelopt":
            raise UsageError("ModelOpt has no 7-bit weights.", fix="Leave --reduce-range out, or use --backend own.")

    def settings(self) -> dict[str, Any]:
        """Return them for the manifest and the stage's key, with whatever else they imply."""
        used = versions("nvidia-modelopt") if self.backend == "modelopt" else {}
        method = {"method": self.method} if self.backend == "modelopt" else method_settings(self.method)
        return {
            "backend": self.backend,
            **used,
            **method,
            "high_precision": self.high_precision,
            "keep": sorted(self.keep),
            "classifier": self.classifier,
            "reduce_range": self.reduce_range,
            **({} if self.auto is None else {"auto": dict(self.auto)}),
        }
