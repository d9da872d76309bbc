"""The doctor as a whole, on machines of every kind: the probes are given, all else is real."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.bench.environment import read_environment
from ran_deploy.cli import app
from ran_deploy.cli.app import run
from ran_deploy.cli.doctor import report_lines
from ran_deploy.machine import diagnose
from ran_deploy.machine.commands import JOBS
from ran_deploy.machine.diagnose import DoctorReport, doctor
from ran_deploy.machine.hardware import cpu_advice, gpu_advice
from ran_deploy.machine.packages import KNOWN
from ran_deploy.machine.probe import Probe

ABSENT = Probe(state="absent", reason="not installed")
NO_GPU = Probe(state="absent", reason="this machine has no NVIDIA driver")
H200 = Probe(state="ok", facts={"version": "13.0", "name": "NVIDIA H200", "capability": 90})
ORT = Probe(state="ok", facts={"version": "1.31.1", "providers": ["CPUExecutionProvider"]})
OPENVINO = Probe(state="ok", facts={"version": "2026.4.1", "devices": ["CPU"], "computes_in": ["FP32", "INT8"]})
OTHERS = ("gpu", "bf16", "onnxruntime-gpu", "compiler")


def on_a_machine_with(
    monkeypatch: pytest.MonkeyPatch, onnxruntimes: Mapping[str, str] | None = None, **probes: Probe
) -> DoctorReport:
    """Run the doctor where nothing else is installed."""
    monkeypatch.setattr(diagnose, "installed_onnxruntimes", lambda: onnxruntimes or {})
    given = {name.replace("__", "."): found for name, found in probes.items()}
    monkeypatch.setattr(
        diagnose,
        "probe_all",
        lambda names: {name: given.get(name, NO_GPU if name == "driver" else ABSENT) for name in names},
    )
    return doctor()


def working(report: DoctorReport) -> set[str]:
    return {ability.what for ability in report.abilities if ability.works}


def test_a_bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    report = on_a_machine_with(monkeypatch)
    assert working(report) == {"look into files, fetch data", "package engines"}
    monkeypatch.setattr("shutil.which", lambda name: None)
    report = on_a_machine_with(monkeypatch)
    by_name = {ability.what: ability for ability in report.abilities}
    assert by_name["run .safetensors compiled"].lacks == ("torch", "a C++ compiler")
    assert by_name["run .onnx on the CPU"].fixes == ("pip install 'ran-deploy[cpu]'",)
    assert by_name["train"].lacks == ("torch", "matplotlib")
    assert by_name["train"].fixes == ("pip install 'ran-deploy[train]'",)
    # Where there is no GPU, installing packages for one would help nobody.
    assert by_name["run .plan"].lacks == ("tensorrt_rtx or tensorrt", "an NVIDIA GPU", "cuda.core or pycuda")
    assert by_name["run .plan"].fixes == ("Use a machine with an NVIDIA GPU and its driver.",)
    assert report.problems == ()
    text = "\n".join(report_lines(report))
    assert "No NVIDIA GPU: this machine has no NVIDIA driver." in text
    assert "  pip install 'ran-deploy[cpu]'\n    for: export to ONNX; make FP16 and INT8" in text


def test_a_machine_that_serves_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    report = on_a_machine_with(monkeypatch, onnxruntime=ORT, openvino=OPENVINO)
    assert {"run .onnx on the CPU", "run .onnx in OpenVINO", "make FP16 and INT8"} <= working(report)
    assert "run .onnx in bfloat16" not in working(report)
    bf16 = replace(OPENVINO, facts={**OPENVINO.facts, "computes_in": ["FP32", "BF16"]})
    assert "run .onnx in bfloat16" in working(on_a_machine_with(monkeypatch, openvino=bf16))


def test_a_machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorrt = Probe(state="ok", facts={"version": "11.1.0"})
    report = on_a_machine_with(monkeypatch, driver=H200, tensorrt=tensorrt)
    (plan,) = (ability for ability in report.abilities if ability.what == "run .plan")
    assert (plan.lacks, plan.fixes) == (("cuda.core or pycuda",), ("pip install 'ran-deploy[gpu]'",))
    assert "build plans for this GPU" in working(report)
    cuda, pycuda = (Probe(state="ok", facts={"version": version}) for version in ("1.2.2", "2026.1"))
    for packages in ({"cuda__core": cuda}, {"pycuda": pycuda}):
        assert "run .plan" in working(on_a_machine_with(monkeypatch, None, driver=H200, tensorrt=tensorrt, **packages))
    on_gpu = replace(ORT, facts={**ORT.facts, "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]})
    assert "run .onnx on the GPU" in working(on_a_machine_with(monkeypatch, driver=H200, onnxruntime=on_gpu))
    cpu_only = on_a_machine_with(monkeypatch, driver=H200, onnxruntime=ORT)
    (lacking,) = (ability for ability in cpu_only.abilities if ability.what == "run .onnx on the GPU")
    assert lacking.fixes == ("pip uninstall -y onnxruntime && pip install 'ran-deploy[gpu]'",)
    text = "\n".join(report_lines(report))
    assert "the driver runs CUDA 13.0" in text
    assert "NVIDIA H200 has the compute capability 9.0 (sm90). TensorRT-RTX has no target for it" in " ".join(
        text.split()
    )


def test_broken_packages_are_problems_and_no_fault_of_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = Probe(state="broken", reason="its import crashed with SIGSEGV")
    monkeypatch.setattr(diagnose, "read_environment", lambda: 1 / 0)
    report = on_a_machine_with(
        monkeypatch,
        onnxruntimes={"onnxruntime": "1.31", "onnxruntime-gpu": "1.31"},
        tensorrt_rtx=crashed,
        driver=crashed,
    )
    assert report.environment is None
    assert [problem.text.partition(":")[0] for problem in report.problems] == [
        "onnxruntime and onnxruntime-gpu are installed side by side",
        "tensorrt_rtx",
        "The environment cannot be read",
    ]
    text = "\n".join(report_lines(report))
    assert "tensorrt_rtx: its import crashed with SIGSEGV\n             fix: pip install --force-reinstall" in text
    assert "BROKEN: see below" in text


def test_every_verb_is_in_the_table_and_no_other() -> None:
    named = {command.split()[0] for job in JOBS for command in job.commands}
    assert named == {verb for verbs in app._PANELS.values() for verb in verbs}
    assert set(OTHERS) <= {need for job in JOBS for one in job.needs for need in one}
    needs = {need for job in JOBS for alternatives in job.needs for need in alternatives}
    assert needs <= {*(known.module for known in KNOWN), *OTHERS}


def test_what_the_cpu_means() -> None:
    here = read_environment()
    quiet = replace(here, governor=None, load_average_1min=0.0, cpu_quota=None)

    def texts(**changes: Any) -> dict[str, tuple[bool, str]]:
        return {one.topic: (one.good, one.text) for one in cpu_advice(replace(quiet, **changes))}

    plain = texts(cpu_features=("avx2",))
    assert set(plain) == {"int8", "bf16"}
    assert plain["int8"][1].startswith("INT8 gains little here: the CPU has no VNNI")
    assert plain["bf16"][0] is False
    fast = texts(cpu_features=("avx2", "avx512_vnni", "amx_bf16"))
    assert fast["int8"] == (True, "INT8 pays here, in OpenVINO: the CPU has AVX512-VNNI.")
    assert fast["bf16"][1].endswith("the CPU has AMX-BF16.")
    crowded = texts(cpus=8, cpu_quota=1.5, governor="powersave", load_average_1min=7.0)
    assert "Give --threads 1." in crowded["threads"][1]
    assert "'powersave'" in crowded["clock"][1]
    assert "The load is 7.0 on 8 CPUs" in crowded["load"][1]


def test_what_the_gpu_means() -> None:
    assert gpu_advice(NO_GPU).good is False
    ada = replace(H200, facts={**H200.facts, "name": "NVIDIA L4", "capability": 89})
    assert gpu_advice(ada).text == "NVIDIA L4 has the compute capability 8.9 (sm89)."


def test_the_command_prints_one_document_and_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    on_a_machine_with(monkeypatch, onnxruntime=ORT)
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "ran-deploy.doctor/v1"
    assert {package["name"] for package in document["packages"]} == {known.module for known in KNOWN}
    assert run(["doctor"]) == 0
    assert "onnxruntime" in capsys.readouterr().out
    assert run(["doctor", "--nonsense"]) == 2
    assert not list(tmp_path.iterdir())
