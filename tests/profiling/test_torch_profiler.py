"""A checkpoint's operators: all of its work, in the parts where it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ran_deploy.arch.checkpoint import CheckpointInfo, save_weights
from ran_deploy.arch.count import count_macs
from ran_deploy.arch.registry import create_model
from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.profiling.profile import profile
from ran_deploy.profiling.result import ProfileResult
from ran_deploy.profiling.torch_profiler import TorchProfiler
from ran_deploy.runtime.torch_session import TorchSession

_BATCH = 2
_WIDTH = 0.125
_LABELS = dataset_info("synthetic").labels


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "att56.safetensors"
    torch.manual_seed(0)
    info = CheckpointInfo(arch="att56", dataset="synthetic", classes=10, labels=_LABELS, options={"width": _WIDTH})
    save_weights(path, create_model("att56", "synthetic", width=_WIDTH), info)
    return path


@pytest.fixture(scope="module")
def result(checkpoint: Path, quickly: None, tmp_path_factory: pytest.TempPathFactory) -> ProfileResult:
    trace = tmp_path_factory.mktemp("torch") / "trace.json"
    return profile(checkpoint, batch=_BATCH, iterations=2, threads=1, trust=True, trace=trace)


def test_all_work_is_in_a_part(result: ProfileResult) -> None:
    model = create_model("att56", "synthetic", width=_WIDTH)
    assert result.total.macs == _BATCH * count_macs(model, 32)
    parts = {f"stage {stage} {part}" for stage in (1, 2, 3) for part in ("units", "trunk", "mask up", "fusion")}
    masks = {f"stage {stage} mask down" for stage in (1, 2, 3)}
    assert {part.name for part in result.parts} == {"input", "stem", *parts, *masks, "tail", "head"}
    assert sum(part.macs for part in result.parts) == result.total.macs
    assert all(kernel.nodes == (kernel.name,) for kernel in result.kernels)
    assert result.session.runtime == "torch"
    assert result.roofline is not None


def test_the_first_convolution_s_work_and_traffic(result: ProfileResult) -> None:
    (stem,) = [part for part in result.parts if part.name == "stem"]
    (kernel,) = [kernel for kernel in result.kernels if kernel.part == "stem"]
    channels = stem.macs // (_BATCH * 32 * 32 * 3 * 9)
    assert stem.macs == _BATCH * 32 * 32 * channels * 3 * 9
    assert kernel.op == "conv2d"
    image, weight, features = _BATCH * 3 * 32 * 32, channels * 3 * 9, _BATCH * channels * 32 * 32
    assert kernel.moved_bytes == 4 * (image + weight + features)


def test_watching_leaves_the_session_as_it_was(checkpoint: Path) -> None:
    profiler = TorchProfiler(checkpoint, None, threads=1)
    buffers = (np.zeros((1, 32, 32, 3), np.uint8), np.full((1, 32, 32, 3), 200, np.uint8))
    samples = profiler.sample(buffers, warmup=1, runs=3)
    assert len(samples) == 3
    assert len({tuple((kernel.name, kernel.op) for kernel in sample) for sample in samples}) == 1
    assert all(kernel.us >= 0 for sample in samples for kernel in sample)
    starts = [kernel.start_us or 0.0 for kernel in samples[0]]
    assert starts == sorted(starts)
    assert [kernel.name for kernel in samples[0]] == [node.name for node in profiler.graph(buffers).nodes]
    with TorchSession(checkpoint, threads=1) as session:
        assert not any(module._forward_hooks for module in session.module.modules())


def test_command(checkpoint: Path, quickly: None, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["profile", "--engine", str(checkpoint), "--trust", "--batch", "1", "--iterations", "1", "--threads", "1"]
    assert run(command) == 0
    assert "stage 1 trunk" in capsys.readouterr().out
    assert run([*command, "--runtime", "openvino"]) == 2
    assert capsys.readouterr().err
