"""From images at model size to logits, whatever layout and batch size an engine takes."""

import numpy as np

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.errors import GateError, UsageError
from ran_deploy.manifest import DYNAMIC
from ran_deploy.runtime.session import Logits, Session


def run_images(session: Session, images: Images) -> Logits:
    """Run uint8 images [N, H, W, 3] at model size and return the logits, float32 [N, classes], all finite.

    Raises:
        UsageError: The images do not fit the engine's contract.
        GateError: Some logits are not finite: the engine computes nonsense for these images.
    """
    logits = raw_logits(session, images)
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise GateError(
            f"{session.info.engine} returned logits that are not finite for {broken} of {len(logits)} images.",
            fix="Its numbers overflow: use the float32 engine, or keep the overflowing nodes in float32.",
            details={"images": len(logits), "not_finite": broken},
        )
    return logits


def raw_logits(session: Session, images: Images) -> Logits:
    """Run uint8 images [N, H, W, 3] at model size and return the logits as they are, infinite ones included.

    An engine with a fixed batch gets the images in parts of that size; the last part is filled up by repeating
    its last image, and what comes of the repetitions is dropped.

    Raises:
        UsageError: The images do not fit the engine's contract.
    """
    inputs = to_engine_input(images, session.contract)
    fixed = session.contract.input.shape[0]
    if fixed == DYNAMIC or len(inputs) == fixed:
        return session.run(inputs)
    parts = []
    for start in range(0, len(inputs), fixed):
        part = inputs[start : start + fixed]
        filling = np.repeat(part[-1:], fixed - len(part), axis=0)
        parts.append(session.run(np.concatenate([part, filling]))[: len(part)])
    return np.concatenate(parts)


def check_positive(name: str, value: int | None) -> None:
    """Check an option that counts something; None: it was not given.

    Raises:
        UsageError: It is less than 1.
    """
    if value is not None and value < 1:
        raise UsageError(f"{name} is {value}; expected at least 1.")
