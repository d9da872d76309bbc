"""The openvino package, imported without its telemetry."""

import sys
import threading
from types import ModuleType

from ran_deploy.optional import require

_TELEMETRY = "openvino_telemetry"
_LOCK = threading.Lock()


def load_openvino(purpose: str) -> ModuleType:
    """Import openvino so that it does not phone home.

    On import, openvino 2026 sends an event to a web analytics service and writes an identifier into ~/intel, unless
    the package ``openvino_telemetry``, on which it depends, cannot be imported: then it uses a stub of its own.
    ran-deploy never phones home, so that package is hidden during the import.

    Args:
        purpose: What needs it; begins the message.

    Raises:
        MissingError: It is not installed, or cannot be loaded.
    """
    with _LOCK:
        hidden = _TELEMETRY not in sys.modules
        if hidden:
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what Python takes for "not to be found"
        try:
            return require("openvino", purpose)
        finally:
            if hidden:
                del sys.modules[_TELEMETRY]
