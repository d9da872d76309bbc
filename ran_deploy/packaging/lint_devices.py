"""Whether a model's back end, its devices and its optimizations go together."""

from collections.abc import Iterator
from typing import Any

from ran_deploy.packaging.lint_view import PLATFORMS, ModelView
from ran_deploy.packaging.result import Finding
from ran_deploy.packaging.triton_options import BACKENDS


def check_devices(model: ModelView) -> Iterator[Finding]:
    """Check the back end against the engine and the device, and that nothing is asked of it that it ignores."""
    if model.backend not in BACKENDS:
        given = model.config.backend or model.config.platform
        yield model.error(
            "backend",
            "backend",
            f"The back end {given!r} is not known." if given else "No back end is named.",
            f"Set backend to one of {', '.join(BACKENDS)}.",
        )
        return
    if model.config.platform and model.config.backend and PLATFORMS.get(model.config.platform) != model.config.backend:
        yield model.error(
            "backend",
            "platform",
            f"The platform {model.config.platform!r} is not that of the back end {model.config.backend!r}.",
            "Remove the platform.",
        )
    yield from _builder(model)
    for place, group in enumerate(model.config.instance_group):
        yield from _group(model, f"instance_group[{place}]", group)
    yield from _optimization(model, model.config.optimization)


def _builder(model: ModelView) -> Iterator[Finding]:
    for version in model.versions:
        build = None if version.manifest is None else version.manifest.build
        if model.backend == "tensorrt" and build is not None and build.flavour != "tensorrt":
            yield model.error(
                "backend",
                "backend",
                f"{version.number}/{version.engine.name} was built by {build.flavour}, which the back end tensorrt "
                "cannot read.",
                "Use the back end python, or build the plan with --flavour tensorrt.",
            )


def _group(model: ModelView, field: str, group: Any) -> Iterator[Finding]:
    kind = group.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[group.kind].name
    if group.count < 1:
        yield model.error("instances", f"{field}.count", f"The count is {group.count}.", "Set it to at least 1.")
    if kind == "KIND_CPU" and group.gpus:
        yield model.error(
            "instances", f"{field}.gpus", "The group is for the CPU, but names GPUs.", "Remove them, or set KIND_GPU."
        )
    if kind == "KIND_CPU" and model.backend == "tensorrt":
        yield model.error(
            "instances", f"{field}.kind", "The back end tensorrt runs on GPUs only.", "Set kind: KIND_GPU."
        )
    if kind == "KIND_GPU" and model.backend == "openvino":
        yield model.error(
            "instances",
            f"{field}.kind",
            "The engine was tested with OpenVINO on the CPU, not on NVIDIA's GPUs.",
            "Set kind: KIND_CPU.",
        )


def _optimization(model: ModelView, optimization: Any) -> Iterator[Finding]:
    if optimization.cuda.graphs and model.backend != "tensorrt":
        yield model.warning(
            "optimization",
            "optimization.cuda.graphs",
            f"The back end {model.backend} ignores CUDA graphs.",
            "Remove the field.",
        )
    accelerators = optimization.execution_accelerators
    asked = [*accelerators.gpu_execution_accelerator, *accelerators.cpu_execution_accelerator]
    if asked and model.backend != "onnxruntime":
        yield model.warning(
            "optimization",
            "optimization.execution_accelerators",
            f"The back end {model.backend} ignores the accelerator {asked[0].name!r}.",
            "Remove the field.",
        )
