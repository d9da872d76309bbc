"""Runs a deserialized plan: buffers, one stream, and a lane for each batch size. One code path for both flavours."""

import collections
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.cuda.device import CudaDevice
from ran_deploy.errors import RanDeployError, UsageError
from ran_deploy.manifest import TensorSpec
from ran_deploy.runtime.dlpack import DeviceTensor, SupportsDlpack, from_gpu
from ran_deploy.runtime.trt_buffers import TrtBuffers
from ran_deploy.runtime.trt_contexts import TrtContexts
from ran_deploy.runtime.trt_engine import TrtEngine
from ran_deploy.runtime.trt_lane import Bound, Lane
from ran_deploy.runtime.trt_profiles import choose_profile, read_profiles

_ALIGNMENT = 256  # what TensorRT asks of every address
_MOST_LANES = 64


class TrtRunner:
    """One engine on one stream. Threads may share it; their runs follow one another.

    Each batch size that occurs gets an execution context of its own, and a CUDA graph where it can be captured; all
    of them use the same buffers and scratch memory, one after another.

    Args:
        loaded: The engine, which the runner closes.
        device: The GPU, whose context must be current here.
        images: The input's contract.
        logits: The output's contract.
        sha256: The plan's hash.
        graphs: Replay CUDA graphs where they can be captured.

    Raises:
        MissingError: The GPU has too little memory.
    """

    def __init__(
        self,
        loaded: TrtEngine,
        device: CudaDevice,
        *,
        images: TensorSpec,
        logits: TensorSpec,
        sha256: str,
        graphs: bool = True,
    ) -> None:
        self._loaded, self._device, self._images, self._logits = loaded, device, images, logits
        self._profiles = read_profiles(loaded.engine, images.name)
        self._lock = threading.Lock()
        self._lanes: collections.OrderedDict[tuple[int, bool], Lane] = collections.OrderedDict()
        self._closed = False
        with contextlib.ExitStack() as undo:
            self._stream = device.stream()
            undo.callback(self._stream.close)
            self._buffers = TrtBuffers(
                device,
                images,
                logits,
                most=max(profile.max_batch for profile in self._profiles),
                scratch_bytes=int(loaded.engine.device_memory_size_v2),
            )
            undo.callback(self._buffers.free)
            self._contexts = TrtContexts(loaded, sha256, graphs=graphs)
            self._captures = graphs and not self._contexts.captures_itself
            self._free = undo.pop_all()

    def run(self, images: npt.NDArray[Any], *, timed: bool = False) -> tuple[npt.NDArray[Any], float]:
        """Run a batch from the host's memory.

        Args:
            images: The batch, checked against the contract.
            timed: Measure the time on the GPU, without the copies, by two events.

        Returns:
            The logits, a copy, and the time on the GPU in milliseconds; NaN unless ``timed``.

        Raises:
            UsageError: No profile takes so many images, or the runner is closed.
            RanDeployError: TensorRT or CUDA fails.
        """
        with self._at_work():
            lane = self._lane(len(images), own_input=True)
            self._upload(images)
            return self._launch(lane, len(images), timed=timed)

    def run_on_gpu(
        self, images: SupportsDlpack, check: Callable[[DeviceTensor], None], *, timed: bool = False
    ) -> tuple[npt.NDArray[Any], float]:
        """Run a batch that lies in the GPU's memory, where it lies; see :meth:`run`.

        CUDA graphs hold addresses, so such runs go without one. A tensor that does not begin at a multiple of 256
        bytes, as TensorRT asks, is first copied within the GPU.

        Args:
            images: The batch.
            check: Raises if the tensor does not meet the contract.
            timed: As for :meth:`run`.
        """
        with self._at_work():
            tensor = from_gpu(images, self._stream.handle)
            check(tensor)
            batch = tensor.shape[0]
            lane = self._lane(batch, own_input=False)
            address = tensor.address
            if address % _ALIGNMENT:
                self._stream.copy(self._buffers.images_address, address, tensor.nbytes)
                address = self._buffers.images_address
            lane.read_from(address)
            return self._launch(lane, batch, timed=timed)

    def run_profiled(self, images: npt.NDArray[Any], profiler: Any) -> str:
        """Run a batch from the host's memory and have its layers' times told to an IProfiler of the library.

        Only for a runner without graphs, which hide the layers.

        Returns:
            The inspector's JSON on the layers.

        Raises:
            UsageError: As :meth:`run`.
            RanDeployError: As :meth:`run`.
        """
        with self._at_work():
            lane = self._lane(len(images), own_input=True)
            lane.profile_with(profiler)
            self._upload(images)
            self._launch(lane, len(images), timed=False)
            lane.report()
            return lane.layer_information()

    def close(self) -> None:
        """Free everything, once a run in progress is done; a second time is harmless."""
        with self._lock, self._device.current():
            if self._closed:
                return
            self._closed = True
            with self._free:
                for lane in self._lanes.values():
                    lane.close()
                self._lanes.clear()
                self._contexts.close()
                self._loaded.close()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise UsageError(f"The session of {self._loaded.path} is closed.", fix="Open the engine again.")
            with self._device.current():
                yield

    def _upload(self, images: npt.NDArray[Any]) -> None:
        source = self._buffers.host_images(len(images))
        np.copyto(source.view(images.dtype).reshape(images.shape), images)
        self._stream.upload(self._buffers.images_address, source)

    def _launch(self, lane: Lane, batch: int, *, timed: bool) -> tuple[npt.NDArray[Any], float]:
        start = self._stream.record() if timed else None
        lane.launch()
        end = self._stream.record() if timed else None
        target = self._buffers.host_logits(batch)
        self._stream.download(target, self._buffers.logits_address)
        self._stream.synchronize()
        logits = target.view(self._logits.dtype).reshape(batch, *self._logits.shape[1:])
        # A copy: the next run writes over the buffer.
        return logits.copy(), end.ms_since(start) if end is not None else float("nan")

    def _lane(self, batch: int, *, own_input: bool) -> Lane:
        key = (batch, own_input)
        if key in self._lanes:
            self._lanes.move_to_end(key)
            return self._lanes[key]
        profile = choose_profile(self._profiles, batch, self._loaded.path)
        if len(self._lanes) == _MOST_LANES:
            self._lanes.popitem(last=False)[1].close()
        lane = Lane(
            self._loaded,
            self._contexts.make(fixed_addresses=own_input),
            self._stream,
            profile=profile.index,
            images=_bound(self._images, batch, self._buffers.images_address),
            logits=_bound(self._logits, batch, self._buffers.logits_address),
            scratch=self._buffers.scratch,
        )
        if own_input and self._captures:
            lane.warm_up()
            self._capture(lane)
        self._lanes[key] = lane
        return lane

    def _capture(self, lane: Lane) -> None:
        try:
            lane.capture()
        except RanDeployError as error:
            self._captures = False  # said once: what hinders one batch size hinders the next
            sys.stderr.write(f"warning: {self._loaded.path} runs without CUDA graphs: {error.message}\n")


def _bound(spec: TensorSpec, batch: int, address: int) -> Bound:
    return Bound(name=spec.name, shape=(batch, *spec.shape[1:]), address=address)
