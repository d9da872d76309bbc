"""What is kept beside a file of predictions: what made it, so that the same is not computed twice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ran_deploy import __version__
from ran_deploy.config import to_mapping
from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_file
from ran_deploy.json_files import read_json
from ran_deploy.manifest import manifest_path, stage_key
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.rows import SCHEMA
from ran_deploy.optional import versions
from ran_deploy.runtime.session import SessionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What decides every byte of the predictions; how many processes compute them does not."""

    engine_sha256: str
    runtime: str
    provider: str
    device: str
    threads: int | None
    """As asked for; None: the runtime's choice."""
    top: int
    batch: int
    logits: bool
    inputs: str
    """Digest of the path, size and time of change of every input file."""
    rows: str = SCHEMA
    """Name and version of the columns."""
    versions: dict[str, str]
    """Of ran-deploy, the runtime and the image decoder."""

    @property
    def key(self) -> str:
        """The digest of all this."""
        inputs = {name: value for name, value in to_mapping(self).items() if name != "versions"}
        return stage_key("predict", inputs, self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsRecord:
    """The manifest beside a file of predictions."""

    engine: str
    """Path of the engine, as it was given."""
    identity: Identity
    key: str
    given: tuple[str, ...]
    """The inputs as they were given; at most the first hundred."""
    images: int
    """Number of rows."""
    errors: int
    """Images that could not be read."""
    sha256: str
    """Of the file."""
    size_bytes: int
    created: str
    """UTC time, ISO 8601."""
    schema: Literal["ran-deploy.predictions-manifest/v1"] = "ran-deploy.predictions-manifest/v1"


def identify(info: SessionInfo, choice: EngineChoice, options: RowOptions, inputs: str) -> Identity:
    """Return what decides the predictions.

    Args:
        info: What runs the engine.
        choice: How it was asked for.
        options: What each row holds.
        inputs: The digest of the survey of the inputs.
    """
    return Identity(
        engine_sha256=info.sha256,
        runtime=info.runtime,
        provider=info.provider,
        device=info.device,
        threads=choice.threads,
        top=options.top,
        batch=options.batch,
        logits=options.logits,
        inputs=inputs,
        versions={"ran-deploy": __version__, **info.versions, **versions("numpy", "pillow")},
    )


def finished(out: Path, key: str) -> PredictionsRecord | None:
    """Return the record of a file of predictions with this key that is still whole, else None."""
    beside = manifest_path(out)
    if not (out.is_file() and beside.is_file() and out.stat().st_size):
        return None
    try:
        record = read_json(PredictionsRecord, beside)
    except IntegrityError:  # of something else, or damaged
        return None
    return record if record.key == key and record.sha256 == sha256_file(out) else None
