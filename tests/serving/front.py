"""A real server in a thread of the test's process, and a tiny engine whose answers are known by hand."""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from ran_deploy.manifest import DYNAMIC, Contract, Manifest, Precision, Preprocessing, TensorSpec, publish
from ran_deploy.serving.addresses import Addresses
from ran_deploy.serving.host import ModelHost
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.metrics import Metrics
from ran_deploy.serving.server import Listener
from ran_deploy.serving.service import Service
from ran_deploy.serving.spec import HostOptions, ModelSpec

T = TypeVar("T")
LABELS = ("red", "green", "blue")
SIZE = 4


def save_means(path: Path, *, gain: float = 1.0, dtype: str = "uint8") -> Path:
    """Publish an engine whose logits are the mean R, G and B of an image, times ``gain``."""
    nchw = dtype != "uint8"
    shape = (3, SIZE, SIZE) if nchw else (SIZE, SIZE, 3)
    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "gain"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", types[dtype], ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [
            onnx.numpy_helper.from_array(np.array([2, 3] if nchw else [1, 2]), "axes"),
            onnx.numpy_helper.from_array(np.array(gain, np.float32), "gain"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    contract = Contract(
        input=TensorSpec(name="images", dtype=dtype, shape=(DYNAMIC, *shape), layout="NCHW" if nchw else "NHWC"),  # type: ignore[arg-type]
        output=TensorSpec(name="logits", dtype="float32", shape=(DYNAMIC, 3), layout="NC"),
        preprocessing=Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        labels=LABELS,
    )
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset=None,
        contract=contract,
        precision=Precision(asked="fp32"),
        parents=(),
        key="test",
    )
    publish(path, lambda target: onnx.save(model, target), manifest)
    return path


def pixels(count: int, seed: int = 0) -> np.ndarray:
    """Return images for the engine: uint8 [N, 4, 4, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def means(images: np.ndarray) -> np.ndarray:
    """Return what the engine answers: float32 [N, 3]."""
    return np.asarray(images.mean(axis=(1, 2), dtype=np.float64), np.float32)


def png(colour: tuple[int, int, int], side: int = 9) -> bytes:
    """Return a PNG file of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, "png")
    return stream.getvalue()


class Running:
    """A server that is up. Its event loop runs in a thread of its own."""

    def __init__(self, specs: Sequence[ModelSpec], options: HostOptions, limits: HttpLimits, control: bool) -> None:
        self.metrics = Metrics()
        self.host: ModelHost
        self.service: Service
        self.addresses: Addresses
        self._specs, self._options, self._limits, self._control = specs, options, limits, control
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._up: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        """Return when the models are ready."""
        self._thread.start()
        self._up.result()

    def stop(self) -> None:
        """End the server and its thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.host = ModelHost(self._specs, self._options, observe=self.metrics.observer)
        self.service = Service(self.host, self.metrics, control=self._control, request_s=60)
        listener = Listener(self.service, self._limits)
        self.addresses = await listener.start("127.0.0.1", 0, 0)
        try:
            await self.host.start()
            self._up.set_result(None)
            await self._stop.wait()
        except Exception as error:
            self._up.set_exception(error)
        finally:
            await self.host.close()
            await listener.stop()

    @property
    def at(self) -> str:
        """Host and port of HTTP, as tritonclient wants them."""
        return self.addresses.http.removeprefix("http://")

    @property
    def grpc_at(self) -> str:
        """Host and port of gRPC."""
        assert self.addresses.grpc is not None
        return self.addresses.grpc

    def metric(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        value: float | None = self.metrics.registry.get_sample_value(f"ran_deploy_{name}", labels)
        return value

    def until(self, name: str, value: float, **labels: str) -> None:
        """Return when a metric has a value."""
        while self.metric(name, **labels) != value:
            time.sleep(0.001)


@contextlib.contextmanager
def running(
    *specs: ModelSpec,
    options: HostOptions | None = None,
    limits: HttpLimits | None = None,
    control: bool = True,
) -> Iterator[Running]:
    """Serve engines from a thread of the test's process."""
    server = Running(specs, options or HostOptions(workers=0), limits or HttpLimits(), control)
    server.start()
    try:
        yield server
    finally:
        server.stop()
