"""A prediction as a row: the same columns in JSON lines and in Parquet."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ran_deploy.offline.item import printable
from ran_deploy.offline.stream import Prediction
from ran_deploy.optional import require

SCHEMA = "ran-deploy.predictions/v1"
"""Name and version of the columns."""
_PART_ROWS = 2048
"""Rows held as Python's objects, which take ten times as much memory as Arrow's."""
_GROUP_PARTS = 8
"""How many times as many make up a row group of a Parquet file."""


def row_line(prediction: Prediction, *, logits: bool) -> bytes:
    """Return a prediction as a line of JSON, UTF-8.

    Columns: ``file``, ``member`` (of a shard), ``label``, ``index`` and ``probability`` of the likeliest class,
    ``top_labels``, ``top_indices`` and ``top_probabilities`` likeliest first, ``logits`` where they are asked for,
    and ``error``. An image that could not be read has an error, and null or empty lists in place of the rest.
    """
    top, error = prediction.top, prediction.error
    row: dict[str, Any] = {
        "file": prediction.file,
        "member": prediction.member,
        "label": top[0].label if top else None,
        "index": top[0].index if top else None,
        "probability": top[0].probability if top else None,
        "top_labels": [guess.label for guess in top],
        "top_indices": [guess.index for guess in top],
        "top_probabilities": [guess.probability for guess in top],
    }
    if logits:
        # Through text, so that each has the digits of a float32 and no more.
        row["logits"] = [] if prediction.logits is None else [float(str(logit)) for logit in prediction.logits]
    row["error"] = None if error is None else printable(error.message)
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def write_parquet(lines: Iterable[bytes], path: Path, facts: Mapping[str, str], *, logits: bool) -> None:
    """Write rows, given as lines of JSON, to a Parquet file.

    Args:
        lines: As :func:`row_line` makes them.
        path: The file to write.
        facts: What is kept as the schema's metadata, each name after "ran-deploy.".
        logits: Whether the rows have logits.
    """
    pa, pq = require("pyarrow", f"Writing {path}"), require("pyarrow.parquet", f"Writing {path}")
    schema = pa.schema(
        [
            pa.field("file", pa.string(), nullable=False),
            pa.field("member", pa.string()),
            pa.field("label", pa.string()),
            pa.field("index", pa.int32()),
            pa.field("probability", pa.float64()),
            pa.field("top_labels", pa.list_(pa.string())),
            pa.field("top_indices", pa.list_(pa.int32())),
            pa.field("top_probabilities", pa.list_(pa.float64())),
            *([pa.field("logits", pa.list_(pa.float32()))] if logits else []),
            pa.field("error", pa.string()),
        ],
        metadata={f"ran-deploy.{name}": value for name, value in facts.items()},
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        parts = (pa.Table.from_pylist(rows, schema=schema) for rows in _parts(lines))
        while group := list(itertools.islice(parts, _GROUP_PARTS)):
            writer.write_table(pa.concat_tables(group).combine_chunks())


def _parts(lines: Iterable[bytes]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(lines)
    while rows := [json.loads(line) for line in itertools.islice(rest, _PART_ROWS)]:
        yield rows
