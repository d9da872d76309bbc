"""Stand-ins for the packages that drive a GPU, put where they would be imported from."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.cuda.driver_stand_in import Driver
from tests.cuda.pycuda_stand_in import Pycuda


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """``cuda.bindings.driver``."""
    stand_in = Driver()
    _put(monkeypatch, "cuda.bindings.driver", stand_in)
    return stand_in


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> ModuleType:
    """``cuda.core``, whose streams and events are numbers to the driver."""
    module = ModuleType("cuda.core")

    class Device:
        current = False

        def __init__(self, device_id: int) -> None:
            assert device_id == 0

        def set_current(self) -> None:
            driver.calls.append(("set_current",))
            Device.current = True

        def create_stream(self, *, options: Any) -> Any:
            assert Device.current
            assert options.nonblocking
            return SimpleNamespace(handle=0x5E, close=lambda: driver.calls.append(("close stream",)))

        def create_event(self, *, options: Any) -> Any:
            assert options.timing_enabled
            return SimpleNamespace(handle=f"event {driver.names().count('cuEventRecord')}")

    module.__dict__.update(
        Device=Device,
        StreamOptions=lambda nonblocking: SimpleNamespace(nonblocking=nonblocking),
        EventOptions=lambda timing_enabled: SimpleNamespace(timing_enabled=timing_enabled),
    )
    _put(monkeypatch, "cuda.core", module)
    return module


@pytest.fixture
def pycuda(monkeypatch: pytest.MonkeyPatch) -> Pycuda:
    """``pycuda.driver``."""
    stand_in = Pycuda()
    _put(monkeypatch, "pycuda.driver", stand_in)
    return stand_in


def _put(monkeypatch: pytest.MonkeyPatch, name: str, module: ModuleType) -> None:
    """Make ``import name`` find the module, whether the real package is installed or not."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        parent = ".".join(parts[:end])
        if parent not in sys.modules:
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
