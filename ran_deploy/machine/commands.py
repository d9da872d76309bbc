"""Which commands work with what is installed, and what each of the others lacks."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from ran_deploy.machine.packages import Package
from ran_deploy.machine.probe import Probe

NOTHING: tuple[tuple[str, ...], ...] = ()
_GPU = "gpu"
_BF16 = "bf16"
_CUDA_PROVIDER = "onnxruntime-gpu"
_COMPILER = "compiler"
_NAMES = {_GPU: "an NVIDIA GPU", _BF16: "a CPU with bfloat16", _COMPILER: "a C++ compiler"}
_OTHER_FIXES = {
    _GPU: "Use a machine with an NVIDIA GPU and its driver.",
    _BF16: "Use --runtime openvino, which computes in float32 or INT8.",
    _CUDA_PROVIDER: "pip uninstall -y onnxruntime && pip install 'ran-deploy[gpu]'",
    _COMPILER: "Install a C++ compiler such as g++.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that a user may want to do."""

    what: str
    commands: tuple[str, ...]
    """The verbs that do it; with an option where only that needs more."""
    needs: tuple[tuple[str, ...], ...] = NOTHING
    """All of these; of each inner tuple one is enough, the first is proposed."""


_ENGINE_VERBS = ("predict", "eval", "bench", "compare", "pareto", "profile", "verify")
_PLAN_VERBS = ("predict", "eval", "bench", "compare", "verify")

JOBS = (
    Job(what="look into files, fetch data", commands=("inspect", "data", "doctor")),
    Job(what="package engines", commands=("package",)),
    Job(what="list the networks", commands=("archs",), needs=(("torch",),)),
    Job(what="train", commands=("train", "experiment"), needs=(("torch",), ("matplotlib",))),
    Job(what="export to ONNX", commands=("export",), needs=(("torch",), ("onnxscript",), ("onnxruntime",))),
    Job(what="make FP16 and INT8", commands=("quantize", "sensitivity"), needs=(("onnxruntime",),)),
    Job(what="deploy a network", commands=("deploy",), needs=(("torch",), ("onnxscript",), ("onnxruntime",))),
    Job(
        what="make INT8 with ModelOpt",
        commands=("quantize --backend modelopt",),
        needs=(("modelopt",), ("onnxruntime",)),
    ),
    Job(
        what="make engines again",
        commands=("rebuild",),
        needs=(("onnxruntime",), ("torch",), ("onnxscript",), ("tensorrt_rtx", "tensorrt")),
    ),
    Job(what="run .onnx on the CPU", commands=_ENGINE_VERBS, needs=(("onnxruntime",),)),
    Job(
        what="run .onnx in OpenVINO",
        commands=tuple(f"{verb} --runtime openvino" for verb in ("predict", "bench")),
        needs=(("openvino",),),
    ),
    Job(what="run .onnx in bfloat16", commands=("bench --runtime openvino-bf16",), needs=(("openvino",), (_BF16,))),
    Job(
        what="run .onnx on the GPU", commands=("bench --runtime onnxruntime-cuda",), needs=((_GPU,), (_CUDA_PROVIDER,))
    ),
    Job(what="draw attention masks", commands=("explain",), needs=(("onnxruntime", "torch"), ("matplotlib",))),
    Job(what="read and write Parquet", commands=("predict --out predictions.parquet",), needs=(("pyarrow",),)),
    Job(what="predict on many machines", commands=("predict --ray",), needs=(("ray",), ("pyarrow",))),
    Job(
        what="serve over HTTP and gRPC",
        commands=("serve",),
        needs=(("starlette",), ("uvicorn",), ("prometheus_client",), ("tritonclient",)),
    ),
    Job(what="run .safetensors", commands=_PLAN_VERBS, needs=(("torch",),)),
    Job(
        what="run .safetensors compiled", commands=("bench --runtime torch-compile",), needs=(("torch",), (_COMPILER,))
    ),
    Job(what="build plans ahead of time", commands=("build --flavour tensorrt-rtx",), needs=(("tensorrt_rtx",),)),
    Job(what="build plans for this GPU", commands=("build --flavour tensorrt",), needs=(("tensorrt",), (_GPU,))),
    Job(
        what="run .plan",
        commands=_PLAN_VERBS,
        needs=(("tensorrt_rtx", "tensorrt"), (_GPU,), ("cuda.core", "pycuda")),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """Whether something can be done here."""

    what: str
    commands: tuple[str, ...]
    works: bool
    lacks: tuple[str, ...]
    """What is missing, such as "cuda.core or pycuda"."""
    fixes: tuple[str, ...]
    """What to run or to do about it; without a GPU that is needed, nothing else is worth installing."""


def judge(job: Job, packages: Mapping[str, Package], driver: Probe) -> Ability:
    """Say whether a job can be done.

    Args:
        job: What is to be done.
        packages: All known packages by name.
        driver: The probe of the NVIDIA driver.
    """
    missing = [
        alternatives for alternatives in job.needs if not any(_there(need, packages, driver) for need in alternatives)
    ]
    worth_mending = [alternatives for alternatives in missing if alternatives == (_GPU,)] or missing
    return Ability(
        what=job.what,
        commands=job.commands,
        works=not missing,
        lacks=tuple(" or ".join(_NAMES.get(need, need) for need in alternatives) for alternatives in missing),
        fixes=tuple(dict.fromkeys(_fix(alternatives, packages) for alternatives in worth_mending)),
    )


def _there(need: str, packages: Mapping[str, Package], driver: Probe) -> bool:
    if need == _GPU:
        return driver.state == "ok"
    if need == _BF16:
        return "BF16" in packages["openvino"].facts.get("computes_in", ())
    if need == _CUDA_PROVIDER:
        return "CUDAExecutionProvider" in packages["onnxruntime"].facts.get("providers", ())
    if need == _COMPILER:
        return any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
    return packages[need].state == "ok"


def _fix(alternatives: tuple[str, ...], packages: Mapping[str, Package]) -> str:
    if alternatives[0] in _OTHER_FIXES:
        return _OTHER_FIXES[alternatives[0]]
    # A package that is there but unusable is nearer to working than one that is absent.
    return packages[min(alternatives, key=lambda name: packages[name].state == "absent")].fix
