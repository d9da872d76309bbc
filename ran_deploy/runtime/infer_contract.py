"""The contract of a classifier without a manifest, as far as its own input and output tell."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC, Contract, Preprocessing, TensorSpec
from ran_deploy.runtime.io_check import Port


def infer_contract(subject: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Contract:
    """Read a contract from a model's input and output.

    Labels are the class numbers. The normalization of a float32 input is not in the file: mean 0 and deviation 1,
    which is pixels on the scale 0 to 1, stand in its place.

    Args:
        subject: What the messages call the model.
        inputs: Its inputs.
        outputs: Its outputs.

    Raises:
        UsageError: It is not a classifier of square RGB images that ran-deploy can feed.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise _unsuitable(subject, f"has {len(inputs)} inputs and {len(outputs)} outputs; expected one of each")
    (images,), (logits,) = inputs, outputs
    shape = images.shape
    kinds = {("uint8", shape[3:]): "NHWC", ("float32", shape[1:2]): "NCHW"} if len(shape) == 4 else {}
    layout = kinds.get((images.dtype, (3,)))
    sides = set(shape[1:3] if layout == "NHWC" else shape[2:4])
    if layout is None or len(sides) != 1 or sides == {DYNAMIC}:
        raise _unsuitable(
            subject, f"takes {images.dtype} {list(shape)}; expected uint8 [N, S, S, 3] or float32 [N, 3, S, S]"
        )
    if logits.dtype not in ("float32", "float16") or len(logits.shape) != 2 or logits.shape[1] < 2:
        raise _unsuitable(subject, f"returns {logits.dtype} {list(logits.shape)}; expected logits [N, classes]")
    return Contract(
        input=TensorSpec(name=images.name, dtype=images.dtype, shape=shape, layout=layout),  # type: ignore[arg-type]
        output=TensorSpec(name=logits.name, dtype=logits.dtype, shape=logits.shape, layout="NC"),  # type: ignore[arg-type]
        preprocessing=Preprocessing(resize=None, size=sides.pop(), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        labels=tuple(str(index) for index in range(logits.shape[1])),
    )


def warn_of_guesses(path: Path, contract: Contract) -> None:
    """Say on stderr what a contract that was read from the engine itself cannot know."""
    if contract.input.dtype != "uint8":
        sys.stderr.write(
            f"warning: {path} has no manifest, so its normalization is unknown; pixels are fed on the scale 0 to 1.\n"
        )


def _unsuitable(subject: str, what: str) -> UsageError:
    return UsageError(f"{subject} {what}.", fix="Export a classifier with: ran-deploy export")
