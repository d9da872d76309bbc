"""The event files of TensorBoard, read back by its own reader."""

import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.train import event_log, loop
from ran_deploy.train.event_log import EventLog
from tests.train.small import StoppedError, make_trainer, silent, stop_after

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader: Any = accumulator.EventAccumulator(str(folder))
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_events_are_the_metrics_and_a_resumed_run_replaces_what_it_trains_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_EVERY_STEPS", 2)
    trainer = make_trainer(tmp_path)
    with pytest.raises(StoppedError), EventLog(tmp_path / "events", 0) as trainer.course.events:
        trainer.run(stop_after(5))  # saved after three steps, so that two are trained again
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", -1.0)
    trainer = make_trainer(tmp_path)
    assert trainer.resume()
    assert trainer.state.counters.step == 3
    with EventLog(tmp_path / "events", 3) as trainer.course.events:
        trainer.run(silent)
    found = scalars(tmp_path / "events")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for name in ("train_loss", "train_top1", "val_top1", "size"):
        assert [step for step, _ in found[f"epoch/{name}"]] == [3, 6, 9]
        assert [value for _, value in found[f"epoch/{name}"]] == pytest.approx([line[name] for line in lines])
    assert [step for step, _ in found["step/loss"]] == [2, 4, 6, 8]
    assert all(0 < value < 5 for _, value in found["step/loss"])
    assert found["step/lr"][-1][1] < found["step/lr"][0][1]


def test_no_folder_no_files(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with EventLog(None, 0) as trainer.course.events:
        trainer.run(silent)
    assert {path.name for path in tmp_path.iterdir()} == {"state.safetensors", "metrics.jsonl"}
