"""Tensors in the GPU's memory as the input of an ONNX Runtime session, through IoBinding and without a copy."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.manifest import Contract
from ran_deploy.runtime.dlpack import DeviceTensor, SupportsDlpack, from_gpu

_PLACE = ("cuda", 0)
"""ONNX Runtime's name and number of the GPU that its CUDA and TensorRT providers compute on here."""


class OrtGpuInput:
    """Runs a session on batches where they lie. Threads may share it.

    ONNX Runtime computes on a stream that it does not show, so no event can order it after the producer's work: the
    producer makes a stream of ours wait for its work, and the host waits for that stream.

    Args:
        session: The ``onnxruntime.InferenceSession``.
        contract: Its input and output.
        device: The GPU; :meth:`close` closes it.

    Raises:
        RanDeployError: CUDA fails.
    """

    def __init__(self, session: Any, contract: Contract, device: CudaDevice) -> None:
        self._session, self._contract, self._device = session, contract, device
        self._lock = threading.Lock()
        with contextlib.ExitStack() as undo:
            undo.callback(device.close)
            with device.current():
                self._stream = device.stream()
            self._undo = undo.pop_all()

    def run(self, images: SupportsDlpack, check: Callable[[DeviceTensor], None]) -> npt.NDArray[Any]:
        """Return the logits [N, classes] of a batch on the GPU.

        Args:
            images: The batch.
            check: Raises if the tensor does not meet the contract.

        Raises:
            UsageError: The tensor is on another GPU, not dense, or does not meet the contract.
            RanDeployError: CUDA fails.
        """
        with self._lock, self._device.current():
            tensor = from_gpu(images, self._stream.handle)
            check(tensor)
            self._stream.synchronize()
        given, asked = self._contract.input.name, self._contract.output.name
        binding = self._session.io_binding()
        binding.bind_input(given, *_PLACE, tensor.dtype, tensor.shape, tensor.address)
        binding.bind_output(asked)
        self._session.run_with_iobinding(binding)
        (logits,) = binding.copy_outputs_to_cpu()
        return logits  # type: ignore[no-any-return]

    def close(self) -> None:
        """Destroy the stream and let go of the GPU."""
        with self._undo, self._device.current():
            self._stream.close()
