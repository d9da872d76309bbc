"""An engine opened for service: proven by one real run, and fed any number of images up to its largest batch."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.data.preprocess import to_engine_input
from ran_deploy.data.probes import generated_images
from ran_deploy.errors import GateError
from ran_deploy.manifest import DYNAMIC, Contract, Manifest, TensorSpec
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.session import Logits, Session, SessionInfo
from ran_deploy.serving.spec import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What is known of an engine once it is open."""

    contract: Contract
    """As clients see it: the batch is DYNAMIC, for whatever number of images comes is split and filled up."""
    info: SessionInfo
    manifest: Manifest | None
    min_batch: int
    """Fewest images that the engine itself takes."""
    max_batch: int | None
    """Most images that the engine itself takes; None: any number."""


class ServedEngine:
    """A session that has run once.

    Args:
        spec: What to open, and how.
        threads: CPU threads.

    Raises:
        GateError: The engine's first run gave logits that are not finite.
        RanDeployError: It cannot be opened, as :func:`~ran_deploy.runtime.open.open_engine` says, or not run.
    """

    def __init__(self, spec: ModelSpec, threads: int | None) -> None:
        self._session = open_engine(
            spec.path,
            spec.device,
            fallback=spec.fallback,
            trust=spec.trust,
            threads=threads,
            runtime=spec.runtime,
            cuda_backend=spec.cuda_backend,
        )
        self.facts = _facts(self._session)
        try:
            self._prove()
        except BaseException:
            self._session.close()
            raise

    def run(self, images: npt.NDArray[Any]) -> Logits:
        """Return the logits, float32 [N, classes], of images [N, ...]; N may be less than the engine takes.

        Raises:
            UsageError: The images do not meet the contract, or are too many.
            RanDeployError: The runtime failed.
        """
        count = len(images)
        missing = self.facts.min_batch - count
        if missing > 0:
            images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        return self._session.run(images)[:count]

    def close(self) -> None:
        """Free the engine."""
        self._session.close()

    def _prove(self) -> None:
        contract = self.facts.contract
        images = generated_images(self.facts.min_batch, contract.preprocessing.size)
        if not np.isfinite(self.run(to_engine_input(images, contract))).all():
            raise GateError(
                f"{self.facts.info.engine} returned logits that are not finite in its first run, so it is not served.",
                fix="Use the float32 engine, or make this one again.",
            )


def _facts(session: Session) -> EngineFacts:
    contract, manifest = session.contract, session.manifest
    fixed = contract.input.shape[0]
    low, high = (1, None) if fixed == DYNAMIC else (fixed, fixed)
    if manifest is not None and manifest.build is not None:
        low, high = manifest.build.profile.min_batch, manifest.build.profile.max_batch
    return EngineFacts(
        contract=replace(contract, input=_any_batch(contract.input), output=_any_batch(contract.output)),
        info=session.info,
        manifest=manifest,
        min_batch=low,
        max_batch=high,
    )


def _any_batch(spec: TensorSpec) -> TensorSpec:
    return replace(spec, shape=(DYNAMIC, *spec.shape[1:]))
