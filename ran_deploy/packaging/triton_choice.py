"""What a model's configuration comes down to, once the engine is known: back end, batch sizes and device."""

from dataclasses import dataclass

from ran_deploy.errors import UsageError
from ran_deploy.manifest import DYNAMIC
from ran_deploy.packaging.source import EngineSource
from ran_deploy.packaging.triton_options import Backend, TritonOptions

DEFAULT_MAX_BATCH = 64
_TAKES: dict[Backend, str] = {"tensorrt": "plan", "onnxruntime": "onnx", "openvino": "onnx"}
_NOUNS = {"onnx": "an .onnx model", "plan": "a TensorRT plan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonChoice:
    """How one engine is served."""

    backend: Backend
    max_batch: int
    """0: Triton does not batch, and the shapes have their batch dimension."""
    preferred: tuple[int, ...]
    on_gpu: bool


def choose(source: EngineSource, options: TritonOptions) -> TritonChoice:
    """Choose what the options leave open.

    Raises:
        UsageError: The options and the engine do not go together.
    """
    backend = _backend(source, options)
    _check_options(source, options, backend)
    max_batch = _max_batch(source, options, backend)
    return TritonChoice(
        backend=backend,
        max_batch=max_batch,
        preferred=_preferred(source, options, max_batch),
        on_gpu=_on_gpu(source, options, backend),
    )


def _backend(source: EngineSource, options: TritonOptions) -> Backend:
    if options.backend == "auto":
        if source.kind == "onnx":
            return "onnxruntime"
        return "tensorrt" if source.flavour == "tensorrt" else "python"
    backend = options.backend
    if _TAKES.get(backend, source.kind) != source.kind:
        raise UsageError(
            f"Triton's back end {backend} takes {_NOUNS[_TAKES[backend]]}; {source.path} is {_NOUNS[source.kind]}.",
            fix="Give the other file, or leave --triton-backend out.",
        )
    if backend == "tensorrt" and source.flavour != "tensorrt":
        raise UsageError(
            f"{source.path} was built by {source.flavour}; Triton's back end tensorrt runs plans of the full TensorRT.",
            fix="Use --triton-backend python, or build it with: ran-deploy build --flavour tensorrt",
        )
    return backend


def _check_options(source: EngineSource, options: TritonOptions, backend: Backend) -> None:
    """Refuse options that this back end would ignore."""
    if options.threads is not None and source.kind == "plan":
        raise UsageError(f"--threads is for the CPU, but {source.path} runs on the GPU.", fix="Leave it out.")
    if options.runtime != "auto" and backend != "python":
        raise UsageError(
            f"--runtime {options.runtime} is for --triton-backend python; {backend} is a runtime itself.",
            fix="Leave one out.",
        )
    if options.runtime == "torch-compile" or (options.runtime != "auto" and source.kind == "plan"):
        raise UsageError(f"{source.path} does not run in {options.runtime}.", fix="Leave --runtime out.")
    if options.accelerator is not None and backend != "onnxruntime":
        raise UsageError(f"--accelerator is for the back end onnxruntime, not for {backend}.", fix="Leave it out.")


def _max_batch(source: EngineSource, options: TritonOptions, backend: Backend) -> int:
    asked, fixed, profile = options.max_batch, source.contract.input.shape[0], source.profile
    if fixed != DYNAMIC:
        if asked:
            raise UsageError(
                f"{source.path} takes exactly {fixed} images, so Triton cannot batch; --max-batch is {asked}.",
                fix="Leave --max-batch out, or export the model with a dynamic batch.",
            )
        return 0
    if profile is None:
        # OpenVINO's back end pads every batch to the largest, which costs more than batching gains unless asked for.
        return asked if asked is not None else 0 if backend == "openvino" else DEFAULT_MAX_BATCH
    if profile.min_batch > 1:
        raise UsageError(
            f"{source.path} takes {profile.min_batch} to {profile.max_batch} images, but Triton also sends one.",
            fix="Build the plan again with --min-batch 1.",
        )
    if asked is not None and asked > profile.max_batch:
        raise UsageError(
            f"--max-batch is {asked}, but {source.path} takes at most {profile.max_batch} images.",
            fix=f"Lower it to {profile.max_batch}, or build the plan again with --max-batch {asked}.",
        )
    return profile.max_batch if asked is None else asked


def _preferred(source: EngineSource, options: TritonOptions, max_batch: int) -> tuple[int, ...]:
    if options.preferred is None:
        # Only a plan is tuned for one size; elsewhere waiting for a certain size gains nothing.
        if source.profile is None or max_batch < 2:
            return ()
        return tuple(sorted({min(source.profile.opt_batch, max_batch), max_batch} - {1}))
    if wrong := [size for size in options.preferred if size > max_batch]:
        raise UsageError(
            f"--preferred-batch has {wrong[0]}, but the largest batch is {max_batch}.", fix="Lower it, or leave it out."
        )
    return tuple(sorted(set(options.preferred)))


def _on_gpu(source: EngineSource, options: TritonOptions, backend: Backend) -> bool:
    asked, what, needs = options.device, *_needs_gpu(source, options, backend)
    if needs is not None and asked != "auto" and (asked == "gpu") is not needs:
        raise UsageError(
            f"--device is {asked}, but {what} runs on the {'GPU' if needs else 'CPU'}.", fix="Leave --device out."
        )
    on_gpu = needs if needs is not None else asked == "gpu" or bool(options.gpus)
    if options.gpus and not on_gpu:
        raise UsageError(f"--gpus is given, but {what} runs on the CPU.", fix="Leave it out.")
    if backend == "python" and set(options.gpus) - {0}:
        raise UsageError(
            "The back end python runs on the first GPU that its server sees.",
            fix="Leave --gpus out, and start one server for each GPU with CUDA_VISIBLE_DEVICES.",
        )
    return on_gpu


def _needs_gpu(source: EngineSource, options: TritonOptions, backend: Backend) -> tuple[str, bool | None]:
    """What decides where the model runs, and whether that is the GPU; None: either will do."""
    if source.kind == "plan":
        return str(source.path), True
    if options.accelerator is not None:
        return f"the accelerator {options.accelerator}", options.accelerator != "openvino"
    if backend == "openvino":
        return "Triton's back end openvino", False
    if options.runtime in ("openvino", "openvino-bf16", "onnxruntime-cuda", "onnxruntime-tensorrt"):
        return f"the runtime {options.runtime}", options.runtime.startswith("onnxruntime-")
    return str(source.path), None
