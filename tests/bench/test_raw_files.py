import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench.benchmark import benchmark
from ran_deploy.bench.raw_files import write_csv, write_export_times
from ran_deploy.bench.request import Measured
from ran_deploy.bench.series import Series
from ran_deploy.runtime.session import SessionInfo

MS = 1_000_000
_TRTEXEC_KEYS = [
    *("startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs"),
    *("startD2hMs", "endD2hMs", "h2dMs", "computeMs", "d2hMs", "latencyMs"),
]


@pytest.fixture
def measured() -> Measured:
    """One closed loop that began at 5 ms, and one query that waited 4 ms."""
    return Measured(
        session=SessionInfo(
            engine="a.onnx",
            sha256="0" * 64,
            runtime="onnxruntime",
            provider="CPU",
            device="cpu",
            precision="fp32",
            threads=1,
            load_s=0.1,
        ),
        boundaries={"engine": ""},
        inputs="",
        first_inference_ms=1.0,
        series=(
            Series(
                boundary="engine",
                batch=8,
                spans=((5 * MS, 7 * MS), (8 * MS, 11 * MS)),
                wall_ns=6 * MS,
                stop="",
            ),
            Series(
                boundary="engine",
                batch=1,
                spans=((24 * MS, 25 * MS),),
                due_ns=(20 * MS,),
                wall_ns=5 * MS,
                stop="",
            ),
        ),
        search=None,
        peak_rss_bytes=None,
    )


def test_csv_has_a_row_for_each_query(measured: Measured, tmp_path: Path) -> None:
    write_csv([measured, measured], tmp_path / "raw.csv")
    with (tmp_path / "raw.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["process"] for row in rows] == ["1"] * 3 + ["2"] * 3
    assert [float(row["latency_ms"]) for row in rows[:3]] == [2.0, 3.0, 5.0]
    assert [float(row["due_ms"]) for row in rows[:3]] == [0.0, 3.0, 15.0]
    assert (rows[2]["begun_ms"], rows[2]["ended_ms"], rows[1]["batch"]) == ("19.000000", "20.000000", "8")


def test_export_times_has_the_keys_of_trtexec(measured: Measured, tmp_path: Path) -> None:
    write_export_times([measured], tmp_path / "times.json")
    first, _, waited = json.loads((tmp_path / "times.json").read_text())
    assert list(first) == [*_TRTEXEC_KEYS, "batch", "boundary"]
    assert first["latencyMs"] == first["h2dMs"] + first["computeMs"] + first["d2hMs"] == 2.0
    assert first["endComputeMs"] - first["startComputeMs"] == first["computeMs"]
    assert (waited["startEnqMs"], waited["startComputeMs"], waited["computeMs"], waited["latencyMs"]) == (15, 19, 1, 5)


def test_the_device_s_own_time_is_compute(measured: Measured, tmp_path: Path) -> None:
    from dataclasses import replace

    device = replace(measured.series[0], boundary="device", device_ms=(1.5, 2.5))
    write_export_times([replace(measured, series=(device,))], tmp_path / "times.json")
    assert [entry["computeMs"] for entry in json.loads((tmp_path / "times.json").read_text())] == [1.5, 2.5]


def test_a_real_run_writes_all_its_runs(make_engine: Any, tmp_path: Path) -> None:
    paths: dict[str, Any] = {
        "csv": tmp_path / "a" / "raw.csv",
        "export_times": tmp_path / "times.json",
        "html": tmp_path / "r.html",
    }
    benchmark(make_engine(), batches=(1, 2), warmup_ms=0, duration_s=0, iterations=11, **paths)
    assert len(paths["csv"].read_text().splitlines()) == 1 + 2 * 11
    assert len(json.loads(paths["export_times"].read_text())) == 2 * 11
    assert paths["html"].read_text().endswith("</html>\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a",
        "means.onnx",
        "means.onnx.manifest.json",
        "r.html",
        "times.json",
    ]
