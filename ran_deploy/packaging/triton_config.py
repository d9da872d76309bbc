"""``config.pbtxt``: how Triton serves one model.

Fields: https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto; parameters of the back
ends: the README of each of triton-inference-server's repositories tensorrt_backend, onnxruntime_backend,
openvino_backend and python_backend.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ran_deploy.manifest import Contract, TensorSpec
from ran_deploy.packaging.pbtxt import Symbol, pairs, to_pbtxt
from ran_deploy.packaging.source import EngineSource
from ran_deploy.packaging.triton_choice import TritonChoice
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.packaging.warmup import Warmup

CONFIG = "config.pbtxt"
LABELS = "labels.txt"
DATA_TYPES = {"uint8": "TYPE_UINT8", "float16": "TYPE_FP16", "float32": "TYPE_FP32"}
"""Triton's names of our types."""
MODEL_FILES = {"tensorrt": "model.plan", "onnxruntime": "model.onnx", "openvino": "model.onnx"}
"""What each back end's engine is called in its version folder."""
_TRT_PRECISION = {"fp16": "FP16", "int8": "INT8"}


def engine_file(source: EngineSource) -> str:
    """Return the name of an engine in its version folder."""
    return f"model{source.path.suffix}"


def config_text(
    name: str,
    source: EngineSource,
    *,
    options: TritonOptions,
    choice: TritonChoice,
    warmups: Sequence[Warmup],
    checksums: Mapping[str, str],
) -> str:
    """Return a model's ``config.pbtxt``.

    Args:
        name: The model's name, which is its folder's.
        source: The engine.
        options: What the user chose.
        choice: What it comes down to for this engine.
        warmups: What is run before the model is ready.
        checksums: MD5 digests of files by their names relative to the model's folder, for Triton's checksum agent.
    """
    contract = source.contract
    batched = choice.max_batch > 0
    image_format = f"FORMAT_{contract.input.layout}" if batched else None
    return to_pbtxt(
        {
            "name": name,
            "backend": choice.backend,
            "default_model_filename": None if choice.backend == "python" else MODEL_FILES[choice.backend],
            "max_batch_size": choice.max_batch,
            "input": [{**_tensor(contract.input, batched=batched), "format": image_format and Symbol(image_format)}],
            "output": [
                {**_tensor(contract.output, batched=batched), "label_filename": LABELS},
                *(_tensor(mask, batched=batched) for mask in contract.masks),
            ],
            "version_policy": {"latest": {"num_versions": options.keep_versions}},
            "instance_group": [_instances(options, choice)],
            "dynamic_batching": _batching(options, choice) if choice.max_batch > 1 else None,
            "optimization": _optimization(source, options, choice),
            "parameters": [
                {"key": key, "value": {"string_value": value}}
                for key, value in _parameters(source, options, choice).items()
            ],
            "model_warmup": [_warmup(contract, warmup) for warmup in warmups],
        }
    ) + agents_text(checksums)


def agents_text(checksums: Mapping[str, str]) -> str:
    """Return the end of a ``config.pbtxt``: what Triton's checksum agent compares; nothing without checksums."""
    if not checksums:
        return ""
    keys = {f"MD5:{file}": digest for file, digest in sorted(checksums.items())}
    agent = {"name": "checksum", "parameters": pairs(keys)}
    return to_pbtxt({"model_repository_agents": {"agents": [agent]}})


def triton_dims(spec: TensorSpec, *, batched: bool) -> list[int]:
    """Return a tensor's dimensions as Triton counts them: without the batch where Triton batches."""
    return list(spec.shape[1:] if batched else spec.shape)


def _tensor(spec: TensorSpec, *, batched: bool) -> dict[str, Any]:
    return {
        "name": spec.name,
        "data_type": Symbol(DATA_TYPES[spec.dtype]),
        "dims": triton_dims(spec, batched=batched),
    }


def _instances(options: TritonOptions, choice: TritonChoice) -> dict[str, Any]:
    kind = Symbol("KIND_GPU" if choice.on_gpu else "KIND_CPU")
    return {"count": options.instances, "kind": kind, "gpus": list(options.gpus)}


def _batching(options: TritonOptions, choice: TritonChoice) -> dict[str, Any]:
    return {
        "preferred_batch_size": list(choice.preferred),
        "max_queue_delay_microseconds": options.queue_delay_us,
        "default_queue_policy": {
            "timeout_action": Symbol("REJECT"),
            "default_timeout_microseconds": options.queue_timeout_us,
            "allow_timeout_override": True,
            "max_queue_size": options.queue_size,
        },
    }


def _optimization(source: EngineSource, options: TritonOptions, choice: TritonChoice) -> dict[str, Any] | None:
    if choice.backend == "tensorrt" and options.cuda_graphs:
        return {"cuda": {"graphs": True}}  # of 1, the preferred sizes and the largest
    if options.accelerator is None:
        return None
    parameters = _tensorrt_within(source, choice) if options.accelerator == "tensorrt" else {}
    side = "cpu_execution_accelerator" if options.accelerator == "openvino" else "gpu_execution_accelerator"
    return {"execution_accelerators": {side: [{"name": options.accelerator, "parameters": pairs(parameters)}]}}


def _tensorrt_within(source: EngineSource, choice: TritonChoice) -> dict[str, str]:
    """Parameters of TensorRT in ONNX Runtime: the types that the graph has, and one engine for all batch sizes."""
    precision = _TRT_PRECISION.get(source.manifest.precision.asked)
    found = {"precision_mode": precision} if precision else {}
    if choice.max_batch:
        spec = source.contract.input
        sides = {"min": 1, "opt": max(choice.preferred, default=choice.max_batch), "max": choice.max_batch}
        for side, batch in sides.items():
            shape = "x".join(str(length) for length in (batch, *spec.shape[1:]))
            found[f"trt_profile_{side}_shapes"] = f"{spec.name}:{shape}"
    return found


def _parameters(source: EngineSource, options: TritonOptions, choice: TritonChoice) -> dict[str, str]:
    threads = {} if options.threads is None else {"threads": str(options.threads)}
    if choice.backend == "python":
        # The session's arrays are in the host's memory; without this Triton hands over the GPU's.
        on_gpu = {"FORCE_CPU_ONLY_INPUT_TENSORS": "yes"} if choice.on_gpu else {}
        return {"engine": engine_file(source), "runtime": options.runtime, **threads, **on_gpu}
    if choice.backend == "onnxruntime":
        return {"intra_op_thread_count": str(options.threads)} if threads else {}
    if choice.backend == "openvino":
        found = {"NUM_STREAMS": str(options.instances)}
        if threads:
            found["INFERENCE_NUM_THREADS"] = str(options.threads)
        if choice.max_batch:  # the back end refuses smaller batches without it
            found["ENABLE_BATCH_PADDING"] = "YES"
        return found
    return {}


def _warmup(contract: Contract, warmup: Warmup) -> dict[str, Any]:
    spec = contract.input
    value = {
        "data_type": Symbol(DATA_TYPES[spec.dtype]),
        "dims": list(warmup.dims),
        "input_data_file": warmup.file,
    }
    return {"name": warmup.name, "batch_size": warmup.batch, "inputs": pairs({spec.name: value})}
