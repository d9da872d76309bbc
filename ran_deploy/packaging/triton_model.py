"""Triton's python back end around a ran-deploy session; ``ran-deploy package`` writes this file as ``model.py``.

Needs ran-deploy and the engine's runtime in the Python environment of the back end. The engine is opened with every
check of ``open_engine``: its hash first, and for a plan library, version and GPU.
Interface: https://github.com/triton-inference-server/python_backend, "Usage".
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # there only within Triton

from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.open import open_engine


class TritonPythonModel:
    """One copy of the model; Triton calls its methods by these names."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the engine of this version; an engine that cannot be used keeps the model from becoming ready."""
        config = json.loads(args["model_config"])
        given = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        engine = Path(args["model_repository"]) / args["model_version"] / given["engine"]
        threads = int(given["threads"]) if "threads" in given else None
        on_gpu = args["model_instance_kind"] == "GPU"
        self._batched = config["max_batch_size"] > 0
        self._session = open_engine(
            engine,
            "cuda" if on_gpu else "cpu",
            threads=threads,
            runtime=given.get("runtime", "auto"),
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests that Triton's batcher put together, in one run."""
        if not self._batched:
            return [self._answer([request])[0] for request in requests]
        return self._answer(requests)

    def finalize(self) -> None:
        """Free the engine."""
        self._session.close()

    def _answer(self, requests: list[Any]) -> list[Any]:
        contract = self._session.contract
        batches = [pb_utils.get_input_tensor_by_name(request, contract.input.name).as_numpy() for request in requests]
        batch = batches[0] if len(batches) == 1 else np.concatenate(batches)
        wanted = {name for request in requests for name in request.requested_output_names()}
        try:
            if wanted <= {contract.output.name}:
                outputs = {contract.output.name: self._session.run(batch)}
            else:
                logits, masks = self._session.run_with_masks(batch)
                outputs = {contract.output.name: logits, **masks}
        except RanDeployError as error:
            failure = pb_utils.TritonError(f"{error.message} {error.fix}".strip())
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
        ends = np.cumsum([len(part) for part in batches])
        return [
            _respond({name: rows[end - len(part) : end] for name, rows in outputs.items()}, request)
            for request, part, end in zip(requests, batches, ends, strict=True)
        ]


def _respond(outputs: dict[str, Any], request: Any) -> Any:
    names = request.requested_output_names()
    tensors = [pb_utils.Tensor(name, rows) for name, rows in outputs.items() if name in names]
    return pb_utils.InferenceResponse(output_tensors=tensors)
