"""Execution contexts of one engine, all over the same scratch memory."""

from typing import Any

from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.trt_cache import RuntimeCache
from ran_deploy.runtime.trt_engine import TrtEngine


class TrtContexts:
    """Makes execution contexts whose scratch memory the caller gives, so that contexts used in turn can share it.

    TensorRT-RTX takes a runtime configuration, which also has it capture CUDA graphs by itself and keep the kernels
    that it compiles.

    Args:
        loaded: The engine.
        sha256: The plan's hash.
        graphs: Whether TensorRT-RTX shall capture graphs.
    """

    def __init__(self, loaded: TrtEngine, sha256: str, *, graphs: bool) -> None:
        self._loaded = loaded
        self._graphs = graphs
        rtx = hasattr(loaded.library, "CudaGraphStrategy")
        self.captures_itself = graphs and rtx
        self._cache = RuntimeCache(loaded.engine.create_runtime_config(), sha256) if rtx else None

    def make(self, *, fixed_addresses: bool) -> Any:
        """Return a new context, without scratch memory.

        Args:
            fixed_addresses: Whether it will always read and write the same memory; graphs need that.

        Raises:
            RanDeployError: The library refuses; most often for want of memory.
        """
        library = self._loaded.library
        user_managed = library.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._cache is None:
            context = self._loaded.engine.create_execution_context(user_managed)
        else:
            config = self._loaded.engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(user_managed)
            strategies = library.CudaGraphStrategy
            capture = self._graphs and fixed_addresses
            config.cuda_graph_strategy = strategies.WHOLE_GRAPH_CAPTURE if capture else strategies.DISABLED
            self._cache.attach(config)
            context = self._loaded.engine.create_execution_context(config)
        if context is None:
            raise RanDeployError(
                f"{library.__name__} makes no execution context for {self._loaded.path}: "
                f"{self._loaded.messages.last_errors()}.",
                fix="Check the GPU's free memory with nvidia-smi.",
            )
        context.nvtx_verbosity = library.ProfilingVerbosity.NONE  # markers cost time in each run
        return context

    def close(self) -> None:
        """Keep what was compiled; all contexts must be gone, the engine not yet."""
        if self._cache is not None:
            self._cache.save()
            self._cache = None
