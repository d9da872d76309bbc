"""``run_with_masks`` of every session, and the refusals of engines that give none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.torch_session import TorchSession
from tests.explaining.masked import SIZE, save_masked


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    return save_masked(tmp_path / "masked.onnx")


def _images(count: int, size: int = SIZE) -> Any:
    return np.random.default_rng(4).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_onnx_file_gives_its_masks_by_name(masked: Path, runtime: Runtime) -> None:
    images = _images(3)
    bright = images.mean(axis=3) / 255
    with open_engine(masked, runtime=runtime) as session:
        logits, masks = session.run_with_masks(images)
        again, others = session.run_with_masks(images[:1])
        assert np.array_equal(session.run(images), logits)
        assert [spec.name for spec in session.masks] == list(masks)
        assert [spec.name for spec in session.outputs] == ["logits"]
    assert np.allclose(logits, 8 * images.mean(axis=(1, 2)) / 255, atol=1e-4)
    assert np.allclose(masks["mask_stage1_1"], bright, atol=1e-5)
    assert np.allclose(masks["mask_stage1_2"], 1 - bright, atol=1e-5)
    assert np.allclose(masks["mask_stage2_1"], bright[:, ::2, ::2], atol=1e-5)
    assert all(mask.dtype == np.float32 for mask in masks.values())
    assert (len(again), len(others["mask_stage2_1"])) == (1, 1)
    assert np.allclose(masks["mask_stage1_1"], bright, atol=1e-5), "a later run does not change what was returned"


def test_on_trust_masks_are_known_by_their_names(masked: Path) -> None:
    manifest_path(masked).unlink()
    with open_engine(masked, trust=True) as session:
        assert [spec.name for spec in session.masks] == ["mask_stage1_1", "mask_stage1_2", "mask_stage2_1"]
        assert session.masks[2].shape == (-1, SIZE // 2, SIZE // 2)
        _, masks = session.run_with_masks(_images(2))
    assert masks["mask_stage2_1"].shape == (2, SIZE // 2, SIZE // 2)


def test_a_checkpoint_gives_masks_without_being_asked_to(engines: Any) -> None:
    images = _images(2, 32)
    with open_engine(engines.checkpoint) as session:
        logits, masks = session.run_with_masks(images)
        assert np.allclose(session.run(images), logits, atol=1e-5)
        assert [spec.shape for spec in session.masks] == [(-1, side, side) for side in (32, 16, 8)]
        assert [mask.shape for mask in masks.values()] == [(2, side, side) for side in (32, 16, 8)]
        assert isinstance(session, TorchSession)
        same, attended = session.run_attended(images)
    assert np.allclose(same, logits, atol=1e-5)
    for mask, each in zip(masks.values(), attended, strict=True):
        assert np.allclose(mask, each.mask.mean(axis=1), atol=1e-6)
        assert np.allclose(each.after, each.before * (1 + each.mask), atol=1e-4)


def test_an_engine_without_masks_says_how_to_get_them(engines: Any) -> None:
    with open_engine(engines.onnx) as session:
        assert session.masks == ()
        with pytest.raises(UsageError, match="gives no attention masks") as caught:
            session.run_with_masks(_images(1, 32))
    assert "export --with-masks" in caught.value.fix


@pytest.mark.parametrize("kind", ["checkpoint", "onnx"])
def test_a_closed_session_gives_none(engines: Any, kind: str) -> None:
    session = open_engine(getattr(engines, kind))
    session.close()
    with pytest.raises(UsageError, match="is closed"):
        session.run_with_masks(_images(1, 32))


def test_a_wrong_batch_is_refused(masked: Path) -> None:
    with open_engine(masked) as session, pytest.raises(UsageError, match="takes"):
        session.run_with_masks(_images(1, SIZE + 1))
