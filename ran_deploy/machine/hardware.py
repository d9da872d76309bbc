"""What this machine's CPU and GPU mean for speed, in words."""

from dataclasses import dataclass
from typing import Literal

from ran_deploy.bench.environment import Environment
from ran_deploy.machine.probe import Probe
from ran_deploy.runtime.cpu import INT8_DOT

_BF16 = ("avx512_bf16", "amx_bf16")
_NAMES = {
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX-BF16",
    "amx_int8": "AMX-INT8",
    "asimddp": "ARM dot products",
    "i8mm": "ARM I8MM",
}
_RTX_TARGETS = (75, 80, 86, 89, 120, 121)
"""Compute capabilities that TensorRT-RTX builds for; source: its ComputeCapability enumeration, version 1.7."""

Topic = Literal["int8", "bf16", "threads", "clock", "load", "gpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing about the machine that decides speed."""

    topic: Topic
    good: bool
    text: str


def cpu_advice(environment: Environment) -> tuple[Advice, ...]:
    """Say what the CPU's instruction sets, its clock and its load mean for the engines."""
    found = [_int8(environment), _bf16(environment)]
    quota = environment.cpu_quota
    if quota is not None and quota < environment.cpus:
        threads = max(1, int(quota))
        found.append(
            Advice(
                topic="threads",
                good=False,
                text=f"This container may use {quota:g} CPUs of the {environment.cpus} that it sees: more threads "
                f"than that are throttled. Give --threads {threads}.",
            )
        )
    if environment.governor not in (None, "performance"):
        text = f"The CPU's frequency governor is {environment.governor!r}: latencies vary with the clock."
        found.append(Advice(topic="clock", good=False, text=text))
    load = environment.load_average_1min
    if load is not None and load > environment.cpus / 2:
        text = f"The load is {load:.1f} on {environment.cpus} CPUs: do not trust a benchmark now."
        found.append(Advice(topic="load", good=False, text=text))
    return tuple(found)


def gpu_advice(driver: Probe) -> Advice:
    """Say what the GPU means for TensorRT plans."""
    if driver.state != "ok":
        return Advice(
            topic="gpu",
            good=False,
            text=f"No NVIDIA GPU: {driver.reason}. Plans can be built ahead of time with TensorRT-RTX, but not run.",
        )
    name, capability = driver.facts["name"], int(driver.facts["capability"])
    text = f"{name} has the compute capability {capability / 10:.1f} (sm{capability})."
    if capability not in _RTX_TARGETS:
        text += " TensorRT-RTX has no target for it: build on this machine with --flavour tensorrt."
    return Advice(topic="gpu", good=True, text=text)


def _int8(environment: Environment) -> Advice:
    named = [_NAMES[feature] for feature in INT8_DOT if feature in environment.cpu_features]
    if named:
        text = f"INT8 pays here, in OpenVINO: the CPU has {', '.join(named)}."
        return Advice(topic="int8", good=True, text=text)
    return Advice(
        topic="int8",
        good=False,
        text="INT8 gains little here: the CPU has no VNNI, AMX or dot-product instructions and pieces its INT8 "
        "products together from others. `ran-deploy compare` measures what is left.",
    )


def _bf16(environment: Environment) -> Advice:
    named = [_NAMES[feature] for feature in _BF16 if feature in environment.cpu_features]
    if named:
        text = f"bfloat16 pays here, with --runtime openvino-bf16: the CPU has {', '.join(named)}."
        return Advice(topic="bf16", good=True, text=text)
    text = "bfloat16 is not for this CPU, which has neither AVX512-BF16 nor AMX: --runtime openvino-bf16 is refused."
    return Advice(topic="bf16", good=False, text=text)
