"""The columns of a prediction."""

import json
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.offline.rows import row_line, write_parquet
from ran_deploy.offline.stream import Prediction
from ran_deploy.runtime.predict import Guess

TOP = (Guess(label="Katze", index=3, probability=0.75), Guess(label="ship", index=8, probability=0.2))
SEEN = Prediction(file="a/ü\u2028.png", member=None, top=TOP, logits=np.array([0.1, -2e-8], np.float32))
LOST = Prediction(file="s.tar", member="b\n.png", error=IntegrityError("s.tar: b\udcff is cut off."))


def test_a_line_of_json() -> None:
    line = row_line(SEEN, logits=True)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "file": "a/ü\u2028.png",
        "member": None,
        "label": "Katze",
        "index": 3,
        "probability": 0.75,
        "top_labels": ["Katze", "ship"],
        "top_indices": [3, 8],
        "top_probabilities": [0.75, 0.2],
        "logits": [0.1, -2e-8],
        "error": None,
    }
    assert "logits" not in json.loads(row_line(SEEN, logits=False))


def test_an_error_leaves_the_rest_empty() -> None:
    row = json.loads(row_line(LOST, logits=True))
    assert row["error"] == "s.tar: b\\xff is cut off."
    assert (row["label"], row["index"], row["probability"]) == (None, None, None)
    assert row["top_labels"] == row["top_indices"] == row["top_probabilities"] == row["logits"] == []
    assert row["member"] == "b\n.png"


def test_logits_survive_as_they_are() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 5000, dtype=np.uint32).view(np.float32)
    logits = bits[np.isfinite(bits)]
    row = json.loads(row_line(Prediction(file="a", member=None, top=TOP, logits=logits), logits=True))
    assert np.array_equal(np.array(row["logits"], np.float32), logits)


def test_parquet_has_the_same_rows_and_says_what_made_them(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    lines = [row_line(one, logits=True) for one in (SEEN, LOST)] * 9000
    write_parquet(lines, tmp_path / "a.parquet", {"engine_sha256": "ab", "schema": "v1"}, logits=True)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.metadata[b"ran-deploy.engine_sha256"] == b"ab"
    assert table.schema.metadata[b"ran-deploy.schema"] == b"v1"
    assert [str(field.type) for field in table.schema][3:] == [
        "int32",
        "double",
        "list<element: string>",
        "list<element: int32>",
        "list<element: double>",
        "list<element: float>",
        "string",
    ]
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2
    rows = table.to_pylist()
    assert len(rows) == 18_000
    assert rows[-1] == json.loads(lines[-1])
    assert rows[0]["logits"] == pytest.approx([0.1, -2e-8])
    assert rows[0] | {"logits": None} == json.loads(lines[0]) | {"logits": None}
