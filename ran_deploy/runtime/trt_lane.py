"""One batch size of a plan, ready to launch: an execution context with its shapes and addresses, and its CUDA graph.

NVIDIA recommends one execution context for each captured graph, with scratch memory that the contexts share: a graph
keeps the shapes, the addresses and the state of its context.
"""

from dataclasses import dataclass
from typing import Any

from ran_deploy.cuda.device import Graph, Stream
from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.trt_engine import TrtEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A tensor of the engine: its name, its whole shape and where it lies on the GPU."""

    name: str
    shape: tuple[int, ...]
    address: int


class Lane:
    """An execution context that is bound to one batch size.

    Args:
        loaded: The engine.
        context: A new execution context, without scratch memory.
        stream: The stream of all its work.
        profile: Index of the optimization profile.
        images: The input.
        logits: The output.
        scratch: Address and size in bytes of the memory that the context may use while it runs.

    Raises:
        RanDeployError: The library refuses the profile, a shape or an address.
    """

    def __init__(
        self,
        loaded: TrtEngine,
        context: Any,
        stream: Stream,
        *,
        profile: int,
        images: Bound,
        logits: Bound,
        scratch: tuple[int, int],
    ) -> None:
        self._loaded, self._context, self._stream, self._images = loaded, context, stream, images
        self._graph: Graph | None = None
        self._accept(context.set_optimization_profile_async(profile, stream.handle), f"the profile {profile}")
        self._accept(context.set_input_shape(images.name, images.shape), f"the input shape {images.shape}")
        context.set_device_memory(*scratch)
        for tensor in (images, logits):
            self._accept(context.set_tensor_address(tensor.name, tensor.address), f"the address of {tensor.name}")
        missing = context.infer_shapes()
        self._accept(not missing, f"the shapes; these lack some: {missing}")
        found = tuple(context.get_tensor_shape(logits.name))
        self._accept(found == logits.shape, f"{logits.name} of the shape {logits.shape}; it computes {found}")

    def read_from(self, address: int) -> None:
        """Take the input from another address from now on. Only for a lane without a graph, which would keep the old.

        Raises:
            RanDeployError: The library refuses it.
        """
        self._accept(self._context.set_tensor_address(self._images.name, address), "the address of the input")

    def warm_up(self) -> None:
        """Run once, on any input: a context whose shapes are new has deferred work, which no graph may hold.

        Raises:
            RanDeployError: The library refuses to run, or the work fails.
        """
        self._enqueue()
        self._stream.synchronize()

    def capture(self) -> None:
        """Capture the work of a warm lane in a CUDA graph, which is launched from now on.

        Raises:
            RanDeployError: The work cannot be captured; the lane then runs on without a graph.
        """
        self._graph = self._stream.capture(self._enqueue)

    def launch(self) -> None:
        """Queue the work.

        Raises:
            RanDeployError: The library refuses to run.
        """
        if self._graph is not None:
            self._graph.launch()
        else:
            self._enqueue()

    def profile_with(self, profiler: Any) -> None:
        """Have each layer's time told to an IProfiler at each :meth:`report`. Only for a lane without a graph.

        Source: TensorRT developer guide, "Performance Best Practices": with ``enqueue_emits_profile`` off nothing is
        awaited between the layers.
        """
        self._context.profiler = profiler
        self._context.enqueue_emits_profile = False

    def report(self) -> None:
        """Tell the profiler the times of the run that has just ended.

        Raises:
            RanDeployError: The library has none.
        """
        self._accept(self._context.report_to_profiler(), "to report the times of its layers")

    def layer_information(self) -> str:
        """Return the inspector's JSON on the layers of this context."""
        library = self._loaded.library
        inspector = self._loaded.engine.create_engine_inspector()
        inspector.execution_context = self._context
        return str(inspector.get_engine_information(library.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Let go of the graph, then of the context."""
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.close()
        self._context = None

    def _enqueue(self) -> None:
        # Nothing else tells of a failure: the output would keep what the last run left there.
        self._accept(self._context.execute_async_v3(self._stream.handle), "to run it")

    def _accept(self, done: bool, what: str) -> None:
        if not done:
            raise RanDeployError(
                f"{self._loaded.library.__name__} refuses {what} for {self._loaded.path}: "
                f"{self._loaded.messages.last_errors()}.",
                fix="Build the plan again on this machine; if that fails too, report it.",
            )
