import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.cli.app import run
from ran_deploy.errors import IntegrityError, MissingError, UsageError
from ran_deploy.manifest import BatchProfile, Build, publish, read_manifest
from ran_deploy.profiling.graph import read_graph
from ran_deploy.profiling.measure import Measured
from ran_deploy.profiling.profile import profile, remarks
from ran_deploy.profiling.result import ProfileOptions, ProfileResult
from tests.profiling.small_network import small_network

STAGE_1 = {f"stage 1 {part}" for part in ("units", "trunk", "mask down", "mask up", "fusion")}


@pytest.mark.parametrize("runtime", ["in_onnxruntime", "in_openvino"])
def test_all_work_is_in_a_part(runtime: str, request: pytest.FixtureRequest) -> None:
    result: ProfileResult = request.getfixturevalue(runtime)
    graph = read_graph(small_network(), 2)
    assert result.total.macs == sum(node.macs for node in graph.nodes)
    names = [name for kernel in result.kernels for name in kernel.nodes]
    assert sorted(names) == sorted(node.name for node in graph.nodes)
    # OpenVINO computes the fusion, (1 + M)·T, in the kernel of the mask's last convolution.
    fused = {"stage 1 fusion"} if runtime == "in_openvino" else set()
    assert {part.name for part in result.parts} >= {"stem", *STAGE_1, "stage 2 units", "head"} - fused
    for groups in (result.parts, result.types):
        assert sum(group.us for group in groups) == pytest.approx(result.total.us)
        assert sum(group.kernels for group in groups) == len(result.kernels)
        assert sum(group.macs for group in groups) == result.total.macs
    assert result.overhead_us == pytest.approx(result.run_us - result.total.us)
    assert 0 < result.fastest_run_us <= result.run_us
    assert result.roofline is not None
    assert result.roofline.threads == result.session.threads == 1
    assert result.batch == result.options.batch == 2


@pytest.mark.parametrize("options", [{"batch": 0}, {"batch": -1}, {"iterations": 0}])
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(UsageError):
        ProfileOptions(**options)


@pytest.mark.parametrize(
    ("engine", "options", "message"),
    [
        ("no.onnx", {}, "does not exist"),
        ("weights.safetensors", {}, "does not exist"),
        ("model.ran", {}, "is an archive"),
        ("model.xyz", {}, "does not exist"),
        ("no.onnx", {"trace": Path("trace.txt")}, r"must end in \.json"),
        ("no.onnx", {"trace": Path("/dev/null/trace.json")}, "cannot be written"),
    ],
)
def test_refusals(engine: str, options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        profile(tmp_path / engine, **options)


def test_a_damaged_engine(network: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(network.read_bytes()[:1000])
    with pytest.raises(IntegrityError):
        profile(path, trust=True)


def test_command_prints_json(network: Path, quickly: None, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    command = ["profile", "--engine", str(network), "--batch", "1", "--iterations", "2", "--threads", "1"]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["schema"] == "ran-deploy.profile/v1"
    assert set(document["parts"][0]) >= {"name", "us", "share", "macs", "moved_bytes", "gflops", "roofline"}
    assert any(kernel["nodes"] for kernel in document["kernels"])
    assert document["roofline"]["gflops"] > 0
    assert document["environment"]["cpu"]


@pytest.mark.parametrize("by", ["part", "type", "node"])
def test_command_prints_a_table(
    by: str, network: Path, in_onnxruntime: ProfileResult, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("ran_deploy.profiling.profile.profile", lambda *_, **__: in_onnxruntime)
    assert run(["profile", "--engine", str(network), "--by", by, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("") + 1 :]
    assert table[0].split()[0] == {"part": "part", "type": "type", "node": "node,"}[by]
    assert table[3].startswith("(")  # what is not listed is summed up
    assert [line.split("  ")[0] for line in table[4:7]] == ["all kernels", "runtime overhead", "run()"]
    times_ms = [float(re.findall(r"\b\d+\.\d{3}\b", line)[0]) for line in table[1:5]]
    assert sum(times_ms[:3]) == pytest.approx(times_ms[3], abs=0.002)  # each is rounded
    assert any(line.startswith("trace") for line in table)


def test_kernels_that_take_longer_than_the_run_are_remarked_on() -> None:
    measured = Measured(run_us=6000.0, fastest_run_us=5900.0, median=(), typical=(), roofline=None)
    (_, remark) = remarks(None, measured, kernels_us=8000.0)
    assert remark.startswith("the kernels took 8.00 ms with the profiler on, a whole run() without it 6.00 ms")
    assert len(remarks(None, measured, kernels_us=5900.0)) == 1


def test_command_on_a_plan_without_a_gpu(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")

    def no_gpu(purpose: str, *, fix: str = "") -> None:
        raise MissingError(f"{purpose} needs an NVIDIA GPU; this machine has no NVIDIA driver.", fix=fix)

    monkeypatch.setattr("ran_deploy.runtime.plan_preflight.require_gpu", no_gpu)
    manifest = read_manifest(network)
    assert manifest is not None
    build = Build(
        flavour="tensorrt-rtx",
        version=rtx.__version__,
        targets=("sm80", "sm120+"),
        gpu=None,
        profile=BatchProfile(min_batch=1, opt_batch=8, max_batch=64),
        optimization_level=3,
    )
    path = tmp_path / "small.plan"
    publish(path, b"plan" * 100, replace(manifest, kind="plan", build=build))
    assert run(["profile", "--engine", str(path), "--trace", str(tmp_path / "plan.json")]) == 6
    assert capsys.readouterr().err.startswith(f"error: Running {path.name} needs an NVIDIA GPU")
    assert not (tmp_path / "plan.json").exists()
