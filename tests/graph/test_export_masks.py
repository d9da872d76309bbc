"""``export --with-masks``: further outputs with their own parity, beside the same logits."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.arch.deployable import DeployableWithMasks
from ran_deploy.cli.app import run
from ran_deploy.data.probes import generated_images
from ran_deploy.engine.build import build_engine
from ran_deploy.errors import GateError, UsageError
from ran_deploy.graph.export import default_name, export_onnx
from ran_deploy.graph.verify import verify_engines
from ran_deploy.manifest import manifest_path, publish, read_manifest
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.placement import place
from ran_deploy.quant.prepare import prepare
from ran_deploy.runtime.open import open_engine
from tests.graph.conftest import CONTRACT, Install

NAMES = ["mask_stage1_1", "mask_stage2_1", "mask_stage3_1"]


@pytest.fixture(scope="module")
def masked(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("masked") / "att56_masks.onnx"
    return export_onnx("att56", checkpoint=checkpoint, out=out, with_masks=True).path


def test_the_manifest_lists_the_masks_and_their_parity(masked: Path, exported: Path) -> None:
    manifest = read_manifest(masked)
    assert manifest is not None
    assert [spec.name for spec in manifest.contract.masks] == NAMES
    assert [spec.shape for spec in manifest.contract.masks] == [(-1, side, side) for side in (32, 16, 8)]
    assert manifest.parity is not None
    assert list(manifest.parity["masks_max_abs"]) == NAMES
    assert max(manifest.parity["masks_max_abs"].values()) <= 1e-4
    # A model without masks says nothing of them, so that its manifest and its key are as they have always been.
    assert "masks" not in json.loads(manifest_path(exported).read_text())["contract"]


def test_logits_are_first_and_masks_are_pytorchs(masked: Path, exported: Path, checkpoint: Path) -> None:
    images = generated_images(5, 32)
    module = DeployableWithMasks(load_checkpoint(checkpoint)[0], CONTRACT).eval()
    with torch.inference_mode():
        logits, *masks = module(torch.from_numpy(images))
    assert [output.name for output in onnx.load(masked).graph.output] == ["logits", *NAMES]
    with open_engine(masked) as session, open_engine(exported) as plain:
        found, named = session.run_with_masks(images)
        assert np.allclose(session.run(images), plain.run(images), atol=1e-5)
    assert np.allclose(found, logits.numpy(), atol=1e-4)
    for mask, name in zip(masks, NAMES, strict=True):
        assert np.allclose(named[name], mask.numpy(), atol=1e-5)


def test_nodes_are_those_of_the_plain_model_and_one_for_each_mask(masked: Path, exported: Path) -> None:
    plain = [(node.name, node.op_type) for node in onnx.load(exported).graph.node]
    more = [(node.name, node.op_type) for node in onnx.load(masked).graph.node]
    added = [node for node in more if node not in plain]
    assert [node for node in more if node in plain] == plain
    names = ("masks/ReduceMean", "masks/ReduceMean_1", "masks/ReduceMean_2")
    assert added == [(name, "ReduceMean") for name in names]


def test_a_wrong_mask_is_caught_though_the_logits_are_right(
    masked: Path, checkpoint: Path, tmp_path: Path, exporter_returns: Install
) -> None:
    model = onnx.load(masked)
    (last,) = (node for node in model.graph.node if NAMES[1] in node.output)
    last.output[0] = "right"
    model.graph.initializer.append(helper.make_tensor("more", onnx.TensorProto.FLOAT, [], [1.01]))
    model.graph.node.append(helper.make_node("Mul", ["right", "more"], [NAMES[1]]))
    exporter_returns(model)
    with pytest.raises(GateError, match=r"in mask_stage2_1 .*no file was written") as caught:
        export_onnx("att56", checkpoint=checkpoint, out=tmp_path / "x.onnx", with_masks=True)
    assert caught.value.details["max_abs"] <= 1e-4, "of the logits"
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_the_file_after_its_masks(
    masked: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (masked, manifest_path(masked)):
        shutil.copy(source, tmp_path)  # made already: what is tried is the command's words
    assert run(["export", "--arch", "att56", "--checkpoint", str(checkpoint), "--with-masks"]) == 0
    printed = capsys.readouterr()
    assert "nothing to do" in printed.err
    assert "masks    mask_stage1_1 32×32, mask_stage2_1 16×16, mask_stage3_1 8×8; max abs" in printed.out
    assert "ran-deploy explain --engine att56_masks.onnx" in printed.out
    assert default_name("att92", "imagenet", with_masks=True) == "att92_imagenet_masks.onnx"


def test_verify_takes_it(masked: Path, exported: Path) -> None:
    result = verify_engines(exported, masked)
    assert result.passed


def test_float16_keeps_the_masks_in_float32(masked: Path, tmp_path: Path) -> None:
    manifest = read_manifest(masked)
    assert manifest is not None
    half = tmp_path / "half.onnx"
    publish(half, to_fp16(onnx.load(masked)).SerializeToString(), manifest)
    images = generated_images(3, 32)
    with open_engine(half) as session, open_engine(masked) as full:
        _, masks = session.run_with_masks(images)
        _, expected = full.run_with_masks(images)
    assert list(masks) == NAMES
    assert all(np.allclose(masks[name], expected[name], atol=5e-3) for name in NAMES)


def test_int8_quantizes_what_it_quantizes_without_masks(masked: Path, exported: Path) -> None:
    placed = [place(prepare(onnx.load(path))) for path in (masked, exported)]
    assert placed[0].readers == placed[1].readers
    assert placed[0].weighted == placed[1].weighted


def test_build_refuses_it_in_one_sentence(masked: Path) -> None:
    with pytest.raises(UsageError, match="a plan does not carry") as caught:
        build_engine(masked)
    assert "without --with-masks" in caught.value.fix
