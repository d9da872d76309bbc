"""``explain`` as a whole, and its command."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.cli.app import run
from ran_deploy.errors import UsageError
from ran_deploy.explaining.explain import MOST_IMAGES, explain
from tests.explaining.masked import SIZE, save_checkpoint, save_masked


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in (("a", (250, 10, 10)), ("b", (10, 250, 10))):
        Image.new("RGB", (SIZE, SIZE), colour).save(folder / f"{name}.png")
    return folder


def test_numbers_and_picture_of_an_onnx_file(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "pictures" / "x.png"
    result = explain(save_masked(tmp_path / "masked.onnx"), [photos], out=out, top=1)
    assert (result.path, result.runtime) == (out, "onnxruntime")
    assert [(image.file.name, image.top[0].label) for image in result.images] == [("a.png", "red"), ("b.png", "green")]
    first = result.images[0].masks[0]
    assert (first.name, first.height, first.width, first.channel) == ("mask_stage1_1", SIZE, SIZE, None)
    assert [first.least, first.most, first.mean] == pytest.approx([90 / 255] * 3, abs=1e-5)
    with Image.open(out) as picture:
        assert min(picture.size) > 200


def test_a_checkpoint_names_the_channels_that_are_drawn(tmp_path: Path, photos: Path) -> None:
    result = explain(save_checkpoint(tmp_path / "att92.safetensors"), [photos / "a.png"], out=tmp_path / "x.png")
    assert [mask.name for mask in result.images[0].masks][2:4] == ["mask_stage2_1", "mask_stage2_2"]
    assert all(mask.channel is not None for mask in result.images[0].masks)
    assert len(result.images[0].top) == 5


def test_the_command(tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine, out = str(save_masked(tmp_path / "masked.onnx")), str(tmp_path / "x.svg")
    assert run(["explain", "--engine", engine, str(photos), "--out", out]) == 0
    printed = capsys.readouterr()
    assert "stage2_1" in printed.out
    assert "0.35–0.35" in printed.out
    assert printed.err == ""
    assert run(["explain", "--engine", engine, str(photos), "--out", out, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["path"]) == ("ran-deploy.explain/v1", out)
    assert np.isclose(document["images"][1]["masks"][1]["mean"], 1 - 90 / 255)


def test_an_engine_without_masks_gets_one_sentence_with_the_fix(
    tmp_path: Path, photos: Path, engines_without_masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.png"
    assert run(["explain", "--engine", str(engines_without_masks), str(photos), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "gives no attention masks" in printed.err
    assert "ran-deploy export --with-masks" in printed.err
    assert not out.exists()


def test_an_image_is_not_replaced_by_the_picture(photos: Path) -> None:
    image = photos / "a.png"
    before = image.read_bytes()
    (photos.parent / "link.png").hardlink_to(image)
    for out in (image, photos.parent / "link.png"):
        with pytest.raises(UsageError, match="is among the images and would be replaced"):
            explain(photos / "absent.onnx", [photos], out=out)
    assert image.read_bytes() == before


def test_too_many_images_are_refused_before_the_engine_is_opened(tmp_path: Path) -> None:
    for index in range(MOST_IMAGES + 1):
        Image.new("RGB", (SIZE, SIZE)).save(tmp_path / f"{index}.png")
    with pytest.raises(UsageError, match="at most 24"):
        explain(tmp_path / "absent.onnx", [tmp_path], out=tmp_path / "x.png")
    with pytest.raises(UsageError, match="does not exist"):
        explain(tmp_path / "absent.onnx", [tmp_path / "0.png"], out=tmp_path / "x.png")
