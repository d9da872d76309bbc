"""A plan that passed the preflight, deserialized by ``tensorrt`` or ``tensorrt_rtx``."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ran_deploy.errors import IncompatibleError
from ran_deploy.runtime.io_check import Port
from ran_deploy.runtime.plan_validity import check_validity
from ran_deploy.runtime.trt_log import Messages, make_logger

_DTYPES = {"UINT8": "uint8", "FLOAT": "float32", "HALF": "float16"}


@dataclass(slots=True, kw_only=True)
class TrtEngine:
    """An engine with what must outlive it."""

    library: ModuleType
    path: Path
    messages: Messages
    logger: Any
    runtime: Any
    engine: Any

    def inputs(self) -> list[Port]:
        """Return the engine's inputs."""
        return self._ports(self.library.TensorIOMode.INPUT)

    def outputs(self) -> list[Port]:
        """Return the engine's outputs."""
        return self._ports(self.library.TensorIOMode.OUTPUT)

    def close(self) -> None:
        """Let go of the engine, then of the runtime; no execution context may be left."""
        self.engine = None
        self.runtime = None

    def _ports(self, mode: Any) -> list[Port]:
        engine = self.engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [_port(engine, name) for name in names if engine.get_tensor_mode(name) == mode]


def load_engine(library: ModuleType, path: Path, plan: bytes) -> TrtEngine:
    """Deserialize a plan whose hash, library and GPU have been checked; a CUDA context must be current.

    Args:
        library: ``tensorrt`` or ``tensorrt_rtx``.
        path: The plan's file, for messages.
        plan: Its bytes.

    Raises:
        IntegrityError: TensorRT-RTX finds the plan malformed.
        IncompatibleError: The library refuses the plan.
    """
    logger, messages = make_logger(library)
    runtime = library.Runtime(logger)
    check_validity(library, runtime, path, plan)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise IncompatibleError(
            f"{library.__name__} {library.__version__} cannot deserialize {path}: {messages.last_errors()}.",
            fix="Build it again on this machine: ran-deploy build",
        )
    return TrtEngine(library=library, path=path, messages=messages, logger=logger, runtime=runtime, engine=engine)


def _port(engine: Any, name: str) -> Port:
    dtype = engine.get_tensor_dtype(name).name
    return Port(name=name, dtype=_DTYPES.get(dtype, dtype), shape=tuple(engine.get_tensor_shape(name)))
