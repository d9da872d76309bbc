import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.cli.app import run
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.offline.predict import predict
from tests.offline.test_tar_shard import member, png, write_tar
from tests.runtime.conftest import make_means  # noqa: F401

_COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A blue, a red and a green image, in this order."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{name}.png" for name in ("blue", "red", "green")]
    for path in paths:
        Image.new("RGB", (9, 6), _COLOURS[path.stem]).save(path)
    return paths


@pytest.fixture
def engine(make_means: Any) -> Path:  # noqa: F811
    """Its logits are 0.02 × the mean of each channel: 5.1 for a full one."""
    path: Path = make_means(weights=0.02 * np.eye(3), labels=("red", "green", "blue"))
    return path


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_keeps_the_order_of_the_files(engine: Path, photos: list[Path], batch: int) -> None:
    result = predict(engine, photos, batch=batch)
    assert [entry.file for entry in result.predictions] == photos
    assert [entry.top[0].label for entry in result.predictions] == ["blue", "red", "green"]
    assert [entry.top[0].index for entry in result.predictions] == [2, 0, 1]


def test_probabilities_are_a_softmax(engine: Path, photos: list[Path]) -> None:
    (entry,) = predict(engine, photos[:1], top=2).predictions
    likeliest = np.exp(5.1) / (np.exp(5.1) + 2)
    assert [guess.probability for guess in entry.top] == pytest.approx([likeliest, 1 / (np.exp(5.1) + 2)], abs=1e-6)
    assert [guess.label for guess in entry.top] == ["blue", "red"]  # of equal ones, the first


def test_never_more_guesses_than_classes(engine: Path, photos: list[Path]) -> None:
    (entry,) = predict(engine, photos[:1], top=50).predictions
    assert len(entry.top) == 3
    assert sum(guess.probability for guess in entry.top) == pytest.approx(1)


def test_searches_folders(engine: Path, photos: list[Path]) -> None:
    result = predict(engine, [photos[0].parent])
    assert [entry.file.stem for entry in result.predictions] == ["blue", "green", "red"]


def test_looks_into_shards(engine: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    tar = write_tar(photos[0].parent / "s.tar", (member("a.png"), photos[1].read_bytes()), (member("b.png"), png(0)))
    first, second = predict(engine, [tar]).predictions
    assert (first.file, first.member, first.top[0].label) == (tar, "a.png", "red")
    assert second.member == "b.png"
    assert run(["predict", "--engine", str(engine), str(tar), "--top", "1"]) == 0
    assert f"{tar}: a.png" in capsys.readouterr().out
    (tar.parent / "list.txt").write_text(f"{photos[2]}\n{photos[0]}\n")
    listed = predict(engine, [f"@{tar.parent}/list.txt"]).predictions
    assert [entry.top[0].label for entry in listed] == ["green", "blue"]


def test_bad_image_is_named(engine: Path, photos: list[Path]) -> None:
    photos[1].write_bytes(photos[1].read_bytes()[:40])
    with pytest.raises(IntegrityError, match=str(photos[1])):
        predict(engine, photos)


@pytest.mark.parametrize(("option", "value"), [("top", 0), ("batch", 0), ("threads", 0)])
def test_refuses_values_out_of_range(engine: Path, photos: list[Path], option: str, value: int) -> None:
    with pytest.raises(UsageError, match="expected at least 1"):
        predict(engine, photos, **{option: value})  # type: ignore[arg-type]


def test_command(engine: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--engine", str(engine), *map(str, photos), "--top", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.predict/v1"
    assert [entry["file"] for entry in document["predictions"]] == [str(path) for path in photos]
    assert document["predictions"][0]["top"][0]["label"] == "blue"


def test_command_prints_a_table(engine: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--loadEngine", str(engine), str(photos[1]), "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [str(photos[1]), "red", "98.80%"]
    assert lines[2].split() == ["green", "0.60%"]


def test_command_on_missing_files(engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--engine", str(engine), str(tmp_path / "none.png"), "--json"]) == 2
    output = capsys.readouterr()
    assert json.loads(output.out)["error"]["exit_code"] == 2
    assert "none.png does not exist" in output.err
