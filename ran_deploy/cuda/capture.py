"""CUDA graphs by stream capture, for every backend: a stream is only its handle here."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ran_deploy.cuda.driver import call, load_driver


class CapturedGraph:
    """An executable graph, launched on the stream that it was captured from."""

    def __init__(self, driver: ModuleType, executable: Any, stream: Any) -> None:
        self._driver = driver
        self._executable: Any = executable
        self._stream = stream

    def launch(self) -> None:
        """Queue the work."""
        call("launch a CUDA graph", self._driver.cuGraphLaunch, self._executable, self._stream)

    def close(self) -> None:
        """Destroy the graph; a second time is harmless."""
        executable, self._executable = self._executable, None
        if executable is not None:
            call("destroy a CUDA graph", self._driver.cuGraphExecDestroy, executable)


def capture(handle: int, work: Callable[[], None]) -> CapturedGraph:
    """Capture what ``work`` queues on the stream ``handle``; see :meth:`ran_deploy.cuda.device.Stream.capture`.

    Raises:
        MissingError: cuda-bindings is not installed.
        RanDeployError: The work cannot be captured.
    """
    driver = load_driver("Capturing a CUDA graph")
    stream = driver.CUstream(handle)
    # Other threads of the process may go on allocating memory while this one captures.
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    call("begin to capture a CUDA graph", driver.cuStreamBeginCapture, stream, mode)
    try:
        work()
    except BaseException:
        _discard(driver, stream)
        raise
    # After work that cannot be captured this fails too, and has ended the capture then.
    graph = call("capture a CUDA graph", driver.cuStreamEndCapture, stream)
    try:
        executable = call("instantiate a CUDA graph", driver.cuGraphInstantiate, graph, 0)
    finally:
        call("destroy a captured graph", driver.cuGraphDestroy, graph)
    return CapturedGraph(driver, executable, stream)


def _discard(driver: ModuleType, stream: Any) -> None:
    """End a capture whose work failed; a status that says so again is of no interest."""
    _, graph = driver.cuStreamEndCapture(stream)
    if graph is not None and int(graph) != 0:
        driver.cuGraphDestroy(graph)
