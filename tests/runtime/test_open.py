import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.runtime.open import open_engine
from tests.unsealed import unsealed


def _copy(source: Path, target: Path) -> Path:
    shutil.copy(source, target)
    shutil.copy(manifest_path(source), manifest_path(target))
    return target


@pytest.mark.parametrize("name", ["model.pt", "model", "model.onnx.manifest.json"])
def test_names_the_three_kinds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=r"ends in \.safetensors, \.onnx, \.plan or \.ran"):
        open_engine(tmp_path / name)


def test_a_folder_under_any_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder; the engine must be a file"):
        open_engine(tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx", ".plan"])
def test_missing_empty_and_folder(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    with pytest.raises(UsageError, match="does not exist"):
        open_engine(path)
    path.touch()
    with pytest.raises(IntegrityError, match="is empty"):
        open_engine(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        open_engine(path)


@pytest.mark.parametrize("form", ["checkpoint", "onnx"])
def test_tampered_file(engines: Any, tmp_path: Path, form: str) -> None:
    source = getattr(engines, form)
    path = _copy(source, tmp_path / source.name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="is not the file that its manifest describes") as caught:
        open_engine(path)
    assert caught.value.exit_code == 5


def test_tampered_plan_is_refused_before_its_version(make_plan: Any) -> None:
    path = make_plan()
    path.write_bytes(b"other")
    with pytest.raises(IntegrityError, match="is not the file that its manifest describes"):
        open_engine(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "onnx"}', "\x00\xff"])
def test_corrupt_manifest(make_means: Any, text: str) -> None:
    path = make_means()
    manifest_path(path).write_text(text, encoding="latin-1")
    with pytest.raises(IntegrityError):
        open_engine(path)


def test_file_without_manifest_needs_trust(engines: Any, tmp_path: Path) -> None:
    path = Path(shutil.copy(engines.checkpoint, tmp_path))
    with pytest.raises(
        UsageError, match="no manifest beside it, so its labels and preprocessing are unknown"
    ) as caught:
        open_engine(path)
    assert "--trust" in caught.value.fix
    with open_engine(path, trust=True) as trusted, open_engine(engines.checkpoint) as known:
        assert trusted.manifest is None
        assert trusted.contract == known.contract
        assert trusted.info.sha256 == known.info.sha256


def test_trust_does_not_excuse_a_tampered_file(make_means: Any) -> None:
    path = make_means()
    path.write_bytes(path.read_bytes() + b"\x00")
    with pytest.raises(IntegrityError):
        open_engine(path, trust=True)


def test_foreign_onnx_on_trust(make_means: Any) -> None:
    with open_engine(make_means("known.onnx")) as known, open_engine(make_means(manifest=False), trust=True) as trusted:
        images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
        assert trusted.contract.input == known.contract.input
        assert np.array_equal(trusted.run(images), known.run(images))


def test_unknown_normalization_is_said(make_means: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with open_engine(make_means(dtype="float32", manifest=False), trust=True) as session:
        assert session.contract.preprocessing.mean == (0.0, 0.0, 0.0)
    assert "its normalization is unknown; pixels are fed on the scale 0 to 1" in capsys.readouterr().err


def test_foreign_onnx_that_is_not_a_classifier(tmp_path: Path) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(b"not a model at all")
    with pytest.raises(IntegrityError, match="not a whole ONNX model"):
        open_engine(path, trust=True)


def test_manifest_of_another_kind(make_means: Any) -> None:
    path = make_means()
    document = unsealed(path)
    manifest_path(path).write_text(json.dumps({**document, "kind": "plan"}))
    with pytest.raises(IntegrityError, match="is named like an ONNX model, but its manifest describes a TensorRT plan"):
        open_engine(path)


def test_devices(make_means: Any, make_plan: Any) -> None:
    with open_engine(make_means(), "cpu") as session:
        assert session.info.device == "cpu"
    with pytest.raises(UsageError, match="runs on a GPU only"):
        open_engine(make_plan(), "cpu")
    with pytest.raises(UsageError, match="The device is 'tpu'; expected one of auto, cpu, cuda"):
        open_engine(make_means(), "tpu")


def test_a_checkpoint_has_no_gpu(engines: Any) -> None:
    with pytest.raises(UsageError, match="runs on the CPU only"):
        open_engine(engines.checkpoint, "cuda")


def _without_cuda() -> bool:
    import onnxruntime  # type: ignore[import-untyped]

    return "CUDAExecutionProvider" not in onnxruntime.get_available_providers()


@pytest.mark.skipif(not _without_cuda(), reason="this ONNX Runtime has CUDA")
@pytest.mark.parametrize(
    ("device", "runtime", "provider"),
    [
        ("cuda", "auto", "CUDAExecutionProvider"),
        ("auto", "onnxruntime-cuda", "CUDAExecutionProvider"),
        ("auto", "onnxruntime-tensorrt", "TensorrtExecutionProvider"),
    ],
)
def test_a_provider_that_is_not_there(make_means: Any, device: str, runtime: Any, provider: str) -> None:
    with pytest.raises(MissingError, match=f"has no {provider}; it has .*CPUExecutionProvider") as caught:
        open_engine(make_means(), device, runtime=runtime)
    assert "ran-deploy[gpu]" in caught.value.fix


@pytest.mark.parametrize(
    ("device", "runtime", "said"),
    [
        ("cpu", "onnxruntime-cuda", "computes on the GPU, but the device is cpu"),
        ("cpu", "onnxruntime-tensorrt", "computes on the GPU, but the device is cpu"),
        ("cuda", "openvino", "computes on the CPU, but the device is cuda"),
        ("auto", "torch-compile", "does not run in torch-compile, which takes checkpoints"),
        ("auto", "nothing", "The runtime is 'nothing'; expected one of auto, onnxruntime, onnxruntime-cuda"),
    ],
)
def test_device_and_runtime_must_agree(make_means: Any, device: str, runtime: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_engine(make_means(), device, runtime=runtime)
    assert said in caught.value.message


def test_a_checkpoint_does_not_run_in_onnx_runtime(engines: Any) -> None:
    with pytest.raises(UsageError, match=r"does not run in onnxruntime, which takes \.onnx files"):
        open_engine(engines.checkpoint, runtime="onnxruntime")


def test_falls_back_only_when_asked_and_says_so(
    make_means: Any, make_plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = make_means()
    path = make_plan(parent=parent)
    with pytest.raises((IncompatibleError, MissingError)):
        open_engine(path)
    assert capsys.readouterr().err == ""
    with open_engine(path, fallback=True) as session:
        assert session.info.engine == str(parent)
        assert session.info.runtime == "onnxruntime"
    warning = capsys.readouterr().err
    assert all(line.startswith("warning: ") for line in warning.splitlines())
    assert "was built by tensorrt-rtx 1.0" in warning or "needs the package tensorrt_rtx" in warning
    assert f"Falling back from {path} to {parent} in onnxruntime, {session.info.provider}, as asked." in warning


def test_does_not_fall_back_to_another_file(make_means: Any, make_plan: Any) -> None:
    path = make_plan(parent=make_means())
    make_means(weights=2 * np.eye(3))  # the parent was made again since
    with pytest.raises((IncompatibleError, MissingError)):
        open_engine(path, fallback=True)
