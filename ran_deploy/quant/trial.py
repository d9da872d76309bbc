"""Trying a converted model: on which images, and what it answers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ran_deploy.data.probes import Probes, probe_images
from ran_deploy.manifest import Contract
from ran_deploy.optional import require
from ran_deploy.runtime.session import Logits

SMALL_PIXELS = 64
"""Images up to this size are cheap; one of ImageNet's has as many positions to look at as fifty of CIFAR's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialImages:
    """What a converted model is compared with its float32 parent on."""

    source: str
    """"calibration", "images" (given) or "generated"."""
    count: int
    batches: Callable[[], Iterator[npt.NDArray[Any]]]
    """Reads them anew, as arrays that the model's input takes; there may be more than ``count`` images."""


def trial_probes(contract: Contract, samples: Path | None) -> Probes:
    """Return up to 64 small images, or 16 large ones: from a folder, or generated where it is None.

    Raises:
        UsageError: The folder does not exist or holds no image.
    """
    return probe_images(contract, samples, most=64 if contract.preprocessing.size <= SMALL_PIXELS else 16)


def probe_batches(probes: Probes) -> Iterator[npt.NDArray[Any]]:
    """Yield small batches of small images, single large ones: every activation may be alive at once."""
    return probes.batches((8,) if probes.contract.preprocessing.size <= SMALL_PIXELS else (1,))


def logits_of(model: onnx.ModelProto, contract: Contract, batches: Iterable[npt.NDArray[Any]]) -> Logits:
    """Run a model in memory on batches that its input takes: float32 [N, classes], by ONNX Runtime on the CPU.

    Raises:
        MissingError: ONNX Runtime is not installed.
    """
    ort = require("onnxruntime", "Trying a converted model")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # sessions are short-lived
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    output, name = contract.output.name, contract.input.name
    return np.concatenate([session.run([output], {name: batch})[0] for batch in batches]).astype(np.float32)
