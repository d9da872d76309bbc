"""A file of predictions: whole, in order, taken up again where it was, and the same in the end."""

import dataclasses
import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ran_deploy.cli.app import run
from ran_deploy.errors import GateError, IntegrityError, MissingError, UsageError
from ran_deploy.locks import lock
from ran_deploy.manifest import manifest_path
from ran_deploy.offline import parts
from ran_deploy.offline.parts import Parts, claimed_parts, parts_folder
from ran_deploy.offline.predict import predict
from ran_deploy.offline.run import Chunk
from ran_deploy.offline.to_file import predict_to_file
from tests.offline.conftest import MakeFolder, picture
from tests.offline.test_tar_shard import member, png, write_tar
from tests.quant.small import publish_model, small_model


@pytest.fixture(autouse=True)
def _every_batch_is_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_BYTES", 1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "p.jsonl"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def names(out: Path) -> set[str]:
    return {path.name for path in out.parent.iterdir()}


WHOLE = {"p.jsonl", "p.jsonl.manifest.json"}


def stop_after(monkeypatch: pytest.MonkeyPatch, chunks: int, stop: Any) -> None:
    """Call ``stop`` when so many chunks are on the disk."""
    flush = Parts.flush

    def counted(self: Parts) -> None:
        waiting = bool(self._waiting)
        flush(self)
        if waiting and len(self._files) == chunks:
            stop()

    monkeypatch.setattr(Parts, "flush", counted)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_one_row_for_each_image_in_order(engine: Path, make_folder: MakeFolder, out: Path, tmp_path: Path) -> None:
    folder = make_folder(7, damaged=(2,))
    tar = write_tar(tmp_path / "s.tar", *((member(f"{n}.png"), png(n)) for n in range(3)))
    result = predict_to_file(engine, [folder, tar], out, batch=2, top=2)
    assert (result.record.images, result.record.errors, result.reused, result.resumed) == (10, 1, False, 0)
    found = rows(out)
    assert [row["file"] for row in found] == [*(f"{folder}/{n:03d}.png" for n in range(7)), *[str(tar)] * 3]
    assert [row["member"] for row in found] == [*[None] * 7, "0.png", "1.png", "2.png"]
    assert [bool(row["error"]) for row in found] == [place == 2 for place in range(10)]
    assert found[0]["probability"] == pytest.approx(found[7]["probability"]), "the same image, from a file and a shard"
    printed = predict(engine, [folder / "003.png"], top=2).predictions[0].top
    assert found[3]["top_labels"] == [guess.label for guess in printed]
    assert found[3]["top_probabilities"] == pytest.approx([guess.probability for guess in printed])
    assert names(out) == WHOLE


def test_what_is_there_already_is_not_computed_again(
    engine: Path, make_folder: MakeFolder, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(5)
    first = predict_to_file(engine, [folder], out, batch=2)
    before = out.stat().st_mtime_ns
    command = ["predict", "--engine", str(engine), str(folder), "--batch", "2", "--out", str(out)]
    assert run(command) == 0
    assert "unchanged" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before
    assert run([*command, "--top", "3"]) == 0
    assert len(rows(out)[0]["top_labels"]) == 3
    out.write_bytes(out.read_bytes() + b"{}\n")  # another hand
    assert predict_to_file(engine, [folder], out, batch=2).record.sha256 == first.record.sha256
    manifest_path(out).write_text("{")
    assert not predict_to_file(engine, [folder], out, batch=2).reused


def test_ctrl_c_is_taken_up_again(
    engine: Path,
    make_folder: MakeFolder,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make_folder(9, damaged=(1, 6))
    whole = predict_to_file(engine, [folder], out.with_name("whole.jsonl"), batch=2)
    command = ["predict", "--engine", str(engine), str(folder), "--batch", "2", "--out", str(out)]
    with monkeypatch.context() as patch:
        stop_after(patch, 2, interrupt)
        assert run(command) == 130
    said = capsys.readouterr().err
    assert f"4 images are done and kept in {out}.parts; the same command goes on after them" in said
    assert not out.exists()
    assert run([*command, "--json"]) == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (document["schema"], document["resumed"]) == ("ran-deploy.predict-to-file/v1", 4)
    assert (document["record"]["images"], document["record"]["errors"]) == (9, 2)
    assert "4 images were done before" in output.err
    assert "2 images could not be read" in output.err
    assert out.read_bytes() == whole.path.read_bytes()
    assert not (out.parent / "p.jsonl.parts").exists()


def unfinished(engine: Path, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Run until two chunks are on the disk."""
    with monkeypatch.context() as patch:
        stop_after(patch, 2, interrupt)
        with pytest.raises(KeyboardInterrupt):
            predict_to_file(engine, [folder], out, batch=2, **options)


def test_another_run_is_not_mixed_in(
    engine: Path, make_folder: MakeFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(6)
    unfinished(engine, folder, out, monkeypatch)
    other = engine.with_name("other.onnx")
    model = small_model()
    model.producer_name = "another"
    publish_model(model, other)
    with pytest.raises(UsageError, match="with another engine") as caught:
        predict_to_file(other, [folder], out, batch=2)
    assert "--restart" in caught.value.fix
    with pytest.raises(UsageError, match=r"another top \(5; now 3\) and another logits \(False; now True\)"):
        predict_to_file(engine, [folder], out, batch=2, top=3, logits=True)
    picture(99).save(folder / "zzz.png")
    with pytest.raises(UsageError, match="list of inputs, or inputs that have changed"):
        predict_to_file(engine, [folder], out, batch=2)
    result = predict_to_file(engine, [folder], out, batch=2, restart=True)
    assert (result.resumed, result.record.images) == (0, 7)
    assert names(out) == WHOLE


def test_a_changed_input_is_noticed(
    engine: Path, make_folder: MakeFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(6)
    stop_after(monkeypatch, 2, lambda: picture(99).save(folder / "000.png"))
    with pytest.raises(UsageError, match="changed while they were read"):
        predict_to_file(engine, [folder], out, batch=2)
    assert not out.exists()


def test_damaged_chunks_are_computed_again(
    engine: Path, make_folder: MakeFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(8)
    whole = predict_to_file(engine, [folder], out.with_name("whole.jsonl"), batch=2)
    unfinished(engine, folder, out, monkeypatch)
    second = sorted((out.parent / "p.jsonl.parts").glob("*.jsonl"))[1]
    second.write_bytes(second.read_bytes()[:-20])
    (second.parent / ".x.tmp").touch()
    result = predict_to_file(engine, [folder], out, batch=2)
    assert result.resumed == 2
    assert out.read_bytes() == whole.path.read_bytes()
    unfinished(engine, folder, out.with_name("q.jsonl"), monkeypatch)
    (out.parent / "q.jsonl.parts" / "journal.json").write_text("{}")
    with pytest.raises(IntegrityError, match="damaged") as caught:
        predict_to_file(engine, [folder], out.with_name("q.jsonl"), batch=2)
    assert "--restart" in caught.value.fix


def test_files_of_others_in_the_folder_of_parts_are_not_touched(
    engine: Path, make_folder: MakeFolder, out: Path
) -> None:
    strange = out.parent / "p.jsonl.parts" / "thesis.txt"
    strange.parent.mkdir()
    strange.write_text("mine")
    with pytest.raises(UsageError, match=r"thesis\.txt is in the way"):
        predict_to_file(engine, [make_folder(2)], out, restart=True)
    assert strange.read_text() == "mine"


def test_a_file_of_others_is_not_replaced(engine: Path, make_folder: MakeFolder, out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"p\.jsonl exists and has no manifest beside it"):
        predict_to_file(engine, [make_folder(2)], out, restart=True)
    assert out.read_text() == "mine"


def test_two_at_once_are_kept_apart(engine: Path, make_folder: MakeFolder, out: Path) -> None:
    folder = make_folder(3)
    record = predict_to_file(engine, [folder], out.with_name("other.jsonl")).record
    identity = dataclasses.replace(record.identity, top=1)
    with claimed_parts(out, identity, restart=False) as held:
        held.add(Chunk(lines=b"{}\n", rows=1, errors=0))
        with pytest.raises(UsageError, match="Another ran-deploy is writing to"):
            predict_to_file(engine, [folder], out)
    with pytest.raises(BlockingIOError, match="of the work"), claimed_parts(out, identity, restart=True):
        raise BlockingIOError("of the work, not of the lock")


def test_an_empty_folder_that_another_holds_stays(engine: Path, make_folder: MakeFolder, out: Path) -> None:
    parts_folder(out).mkdir()
    other = os.open(parts_folder(out), os.O_RDONLY)
    try:
        assert lock(other)
        with pytest.raises(UsageError, match="Another ran-deploy is writing to"):
            predict_to_file(engine, [make_folder(1)], out)
        assert parts_folder(out).is_dir()
    finally:
        os.close(other)


def test_strict_ends_the_run_and_keeps_what_is_done(
    engine: Path, make_folder: MakeFolder, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(6, damaged=(3,))
    command = ["predict", "--engine", str(engine), str(folder), "--batch", "2", "--out", str(out)]
    assert run([*command, "--strict"]) == 5
    said = capsys.readouterr().err
    assert "003.png" in said
    assert "2 images are done" in said
    assert run(command) == 0
    assert "2 images were done before" in capsys.readouterr().err
    assert [bool(row["error"]) for row in rows(out)] == [False, False, False, True, False, False]
    assert run([*command, "--strict"]) == 5, "what is there already is no better"
    assert "1 of the images that an earlier run has done could not be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "says"), [(1, "The only image could not be read"), (3, "None of the 3 images could")]
)
def test_nothing_readable_is_no_prediction(
    engine: Path, make_folder: MakeFolder, out: Path, count: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(count, damaged=tuple(range(count)))
    assert run(["predict", "--engine", str(engine), str(folder), "--out", str(out)]) == 5
    said = capsys.readouterr().err
    assert says in said
    assert "--strict" in said
    assert names(out) == set()


def test_small_runs_are_told_in_numbers_that_mean_something(
    engine: Path,
    make_folder: MakeFolder,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter((0.0, 4.0))
    monkeypatch.setattr("ran_deploy.offline.to_file.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert run(["predict", "--engine", str(engine), str(make_folder(1)), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"1 row, {out.stat().st_size:,} bytes" in said.out
    assert "1 image in 4.0 s, 0.25 images/s" in said.err


def test_strict_does_not_go_on_after_a_run_that_was_not(
    engine: Path, make_folder: MakeFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(8, damaged=(1,))
    unfinished(engine, folder, out, monkeypatch)
    with pytest.raises(IntegrityError, match="1 of the images that an earlier run has done"):
        predict_to_file(engine, [folder], out, batch=2, strict=True)
    assert predict_to_file(engine, [folder], out, batch=2).resumed == 4


def test_a_failure_before_the_first_chunk_leaves_nothing(tmp_path: Path, make_folder: MakeFolder, out: Path) -> None:
    model = small_model()
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "fc_b")
    weights.raw_data = b"\x00\x00\x80\x7f" * 10
    publish_model(model, tmp_path / "infinite.onnx")
    with pytest.raises(GateError):
        predict_to_file(tmp_path / "infinite.onnx", [make_folder(3)], out)
    assert names(out) == set()


def test_a_shard_without_images_is_said(engine: Path, tmp_path: Path, out: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", (member("a.txt"), b"text"))
    with pytest.raises(UsageError, match="No image was found"):
        predict_to_file(engine, [tar], out)
    assert names(out) == set()


def test_parquet_in_and_out(engine: Path, make_folder: MakeFolder, out: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = make_folder(5, damaged=(3,))
    content = [path.read_bytes() for path in sorted(folder.iterdir())]
    pq.write_table(pa.table({"image": content}), folder.parent / "s.parquet", row_group_size=2)
    target = out.with_suffix(".parquet")
    result = predict_to_file(engine, [folder.parent / "s.parquet"], target, batch=2, logits=True)
    table = pq.read_table(target)
    assert table.schema.metadata[b"ran-deploy.schema"] == b"ran-deploy.predictions/v1"
    assert table.schema.metadata[b"ran-deploy.engine_sha256"].decode() == result.record.identity.engine_sha256
    assert table.schema.metadata[b"ran-deploy.runtime"] == b"onnxruntime"
    predict_to_file(engine, [folder.parent / "s.parquet"], out, batch=2, logits=True)
    found = table.to_pylist()
    assert [row["member"] for row in found] == ["0", "1", "2", "3", "4"]
    assert [len(row["logits"]) for row in found] == [10, 10, 10, 0, 10]
    for mine, line in zip(found, rows(out), strict=True):
        assert mine | {"logits": 0} == line | {"logits": 0}


def test_parquet_needs_its_package(
    engine: Path, make_folder: MakeFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingError, match="pyarrow") as caught:
        predict_to_file(engine, [make_folder(1)], out.with_suffix(".parquet"))
    assert "ran-deploy[parquet]" in caught.value.fix


def test_where_it_cannot_be_written(engine: Path, make_folder: MakeFolder, tmp_path: Path, out: Path) -> None:
    folder = make_folder(2)
    with pytest.raises(UsageError, match=r"must end in \.parquet or \.jsonl"):
        predict_to_file(engine, [folder], out.with_suffix(".csv"))
    out.with_suffix(".parquet").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        predict_to_file(engine, [folder], out.with_suffix(".parquet"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written"):
        predict_to_file(engine, [folder], tmp_path / "file" / "p.jsonl")
    (out.parent / "p.jsonl.parts").write_text("a file")
    with pytest.raises(UsageError, match="cannot be made"):
        predict_to_file(engine, [folder], out)


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(
    engine: Path, make_folder: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to mount a small tmpfs")
    try:
        folder = make_folder(12)
        (disk / "ballast").write_bytes(bytes(20_000))
        command = ["predict", "--engine", str(engine), str(folder), "--batch", "2", "--out", str(disk / "p.jsonl")]
        assert run(command) == 2
        said = capsys.readouterr().err
        assert "The disk is full" in said
        assert "go on after" in said or "goes on after" in said
        assert not (disk / "p.jsonl").exists()
        (disk / "ballast").unlink()
        assert run(command) == 0
        assert len(rows(disk / "p.jsonl")) == 12
        assert {path.name for path in disk.iterdir()} == WHOLE
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_options_for_a_file_need_one(engine: Path, make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--logits", "--strict", "--restart"):
        assert run(["predict", "--engine", str(engine), str(make_folder(1, name=option)), option]) == 2
        assert f"{option} is for predictions in a file" in capsys.readouterr().err
