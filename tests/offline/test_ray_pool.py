"""On Ray the result is the same, though a worker be killed."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ran_deploy.cli.app import run
from ran_deploy.errors import MissingError, UsageError
from ran_deploy.offline.options import EngineChoice, RowOptions
from ran_deploy.offline.ray_connection import connected
from ran_deploy.offline.ray_unit import Unit, UnitPredictor
from ran_deploy.offline.to_file import predict_to_file
from tests.offline.conftest import MakeFolder
from tests.offline.test_tar_shard import member, png, write_tar

ROOT = Path(__file__).parents[2]


def test_the_parts_in_any_order_are_the_rows_of_one_run(
    engine: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(7, damaged=(2,))
    tar = write_tar(tmp_path / "s.tar", *((member(f"{n}.png"), png(n)) for n in range(5)))
    inputs = [str(folder), str(tar)]
    whole = predict_to_file(engine, inputs, tmp_path / "p.jsonl", batch=2)
    unit = Unit(first=2, size=4, end=12)
    assert [unit.span(number) for number in range(3)] == [(2, 6), (6, 10), (10, 12)]
    predictor = UnitPredictor(
        choice=EngineChoice(engine=engine),
        given=tuple(inputs),
        options=RowOptions(batch=2),
        folder=tmp_path,
        unit=unit,
    )
    monkeypatch.chdir(ROOT)  # it went to its folder
    parts = {number: predictor({"item": [number]}) for number in (1, 0, 2, 2, 1)}
    assert [parts[number]["rows"] for number in range(3)] == [[4], [4], [2]]
    assert [parts[number]["errors"] for number in range(3)] == [[1], [0], [0]]
    lines = whole.path.read_bytes().splitlines(keepends=True)
    assert b"".join(parts[number]["lines"][0] for number in range(3)) == b"".join(lines[2:])


def test_ray_needs_its_package(
    engine: Path, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingError, match="ray") as caught:
        predict_to_file(engine, [make_folder(1)], tmp_path / "p.jsonl", ray="local")
    assert "ran-deploy[ray]" in caught.value.fix
    assert not (tmp_path / "p.jsonl.parts").exists()


def test_options_of_the_pool(engine: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder(1)
    with pytest.raises(UsageError, match="--ray-workers is 0; expected at least 1"):
        predict_to_file(engine, [folder], tmp_path / "p.jsonl", ray="local", ray_workers=0)
    with pytest.raises(UsageError, match="--ray-workers is the size of a pool") as caught:
        predict_to_file(engine, [folder], tmp_path / "p.jsonl", ray_workers=2)
    assert "--ray" in caught.value.fix
    assert run(["predict", "--engine", str(engine), str(folder), "--ray", "local"]) == 2


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match="Nobody answers at") as caught, connected(address, 1):
            pass
    assert "--ray local" in caught.value.fix


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(engine: Path, make_folder: MakeFolder, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = make_folder(30, damaged=(5, 13))
    write_tar(tmp_path / "s.tar", *((member(f"{n}.png"), png(n)) for n in range(9)))
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "tests.offline.ray_kill", str(engine), str(folder), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["killed"]
    assert seen["processes"] > 4, "the driver, Ray's own and two workers"
    assert seen["open_to_others"] == []
    assert seen["telemetry"] == "0"
    alone = [sys.executable, "-m", "ran_deploy", "predict", "--engine", str(engine), "images", "s.tar", "--batch", "4"]
    subprocess.run([*alone, "--out", "out/alone.jsonl"], check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "out" / "ray.jsonl").read_bytes() == (tmp_path / "out" / "alone.jsonl").read_bytes()
    assert json.loads((tmp_path / "out" / "alone.jsonl.manifest.json").read_text())["key"] == seen["key"]
    assert not (tmp_path / "out" / "ray.jsonl.parts").exists()
