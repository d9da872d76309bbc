"""NVIDIA's driver interface through ``cuda.bindings.driver``: called and checked in one way.

Each of its functions returns the status first. The driver interface, unlike the runtime one, keeps no "last error"
that a failed call would leave behind for the next.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ran_deploy.cuda.failure import cuda_failure
from ran_deploy.optional import require

MODULE = "cuda.bindings.driver"


def load_driver(purpose: str) -> ModuleType:
    """Import ``cuda.bindings.driver``.

    Raises:
        MissingError: cuda-bindings is not installed.
    """
    return require(MODULE, purpose)


def call(what: str, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Call a function of ``cuda.bindings.driver`` and return what it gives besides its status.

    Args:
        what: What the call is for; part of the message.
        function: The function.
        arguments: Its arguments.

    Raises:
        MissingError: The GPU's memory is full.
        RanDeployError: The call failed.
    """
    status, *values = function(*arguments)
    if int(status) != 0:
        raise cuda_failure(what, getattr(status, "name", str(status)))
    return values[0] if values else None
