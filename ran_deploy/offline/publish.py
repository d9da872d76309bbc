"""From whole parts to one file of predictions with its manifest."""

import datetime
import json
from pathlib import Path

from ran_deploy.config import to_mapping
from ran_deploy.files import atomic_paths, sha256_file
from ran_deploy.manifest import manifest_path
from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.parts import Parts
from ran_deploy.offline.record import Identity, PredictionsRecord
from ran_deploy.offline.rows import SCHEMA, write_parquet


def publish_predictions(out: Path, engine: Path, inputs: Inputs, identity: Identity, parts: Parts) -> PredictionsRecord:
    """Write the file of predictions and its manifest; a kill leaves both as they were, or new, or the parts to go on.

    Args:
        out: The file; ``.parquet`` or else JSON lines.
        engine: The engine, as it was given.
        inputs: The images.
        identity: What decided the rows.
        parts: All of them.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    facts = {
        "schema": SCHEMA,
        "engine": engine.name,
        "engine_sha256": identity.engine_sha256,
        "runtime": identity.runtime,
        "key": identity.key,
    }
    # In the folder of the parts, so that a SIGKILL leaves nothing elsewhere.
    with atomic_paths(out, manifest_path(out), within=parts.folder) as (whole, beside):
        if out.suffix == ".parquet":
            write_parquet(parts.lines(), whole, facts, logits=identity.logits)
        else:
            parts.join(whole)
        record = PredictionsRecord(
            engine=str(engine),
            identity=identity,
            key=identity.key,
            given=inputs.given[:100],
            images=parts.done,
            errors=parts.errors,
            sha256=sha256_file(whole),
            size_bytes=whole.stat().st_size,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        beside.write_text(json.dumps(to_mapping(record), indent=2) + "\n", encoding="utf-8")
    return record
