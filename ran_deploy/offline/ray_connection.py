"""A connection to Ray: a cluster that runs, or a Ray of our own that nobody else can reach."""

import contextlib
import ipaddress
import logging
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.optional import require

LOCAL = "local"
"""The address that starts a Ray on this machine for the time of the run."""
_PURPOSE = "ran-deploy predict --ray"
_FIX = "Give the address of a running Ray, or --ray local to start one on this machine."
_CONNECT_S = 10.0
_OBJECT_STORE_BYTES = 256 << 20
"""What travels is numbers and rows, never pixels."""
_LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Read when Ray is imported; with "0", which is the default on those systems, it does not leave the loopback."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray's environment in any case: nothing is reported home."""


@contextlib.contextmanager
def connected(address: str, cpus: int) -> Iterator[ModuleType]:
    """Yield Ray's module, connected to a cluster, or with a Ray of its own on the loopback interface alone.

    Args:
        address: :data:`LOCAL`, or that of a running Ray.
        cpus: For a Ray of its own, how many CPUs it may count on.

    Raises:
        UsageError: Ray does not start or cannot be reached.
        MissingError: Ray is missing.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    environment = dict(_QUIET)
    with contextlib.ExitStack() as stack:
        if address == LOCAL:
            # Ray leaves its logs and sockets there.
            folder = tempfile.mkdtemp(prefix="ran-ray-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            # Other users of this machine reach its ports too: without the token they could run code as this one.
            environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
            environment[_LOOPBACK_ONLY] = "0"
            options |= {
                "num_cpus": cpus,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_temp_dir": folder,
            }
        else:
            _check_reachable(address)
        stack.enter_context(_environment(environment))
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))  # Ray prints what happens to its workers
        ray = require("ray", _PURPOSE)
        require("ray.data", _PURPOSE)
        if ray.is_initialized():
            raise UsageError("This process is connected to a Ray already.", fix="Call ray.shutdown() before.")
        stack.callback(ray.shutdown)
        try:
            ray.init(address=address, **options)
        except Exception as error:  # it raises nearly anything, Exception itself included
            raise UsageError(
                f"Ray at {address!r} cannot be used: {' '.join(str(error).split()):.300}",
                fix=_FIX,
            ) from error
        if address == LOCAL and not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
            raise UsageError(
                "Ray was imported before in this process, and would listen on all networks.",
                fix=f"Set {_LOOPBACK_ONLY}=0 before Ray is imported, or use the command line.",
            )
        yield ray


def _check_reachable(address: str) -> None:
    """Fail in seconds where nobody listens; Ray itself takes minutes for it."""
    match = re.fullmatch(r"(?:ray://)?\[?([^\[\]]+)\]?:(\d{1,5})", address)
    if match is None:  # "auto" and the like
        return
    try:
        socket.create_connection((match[1], int(match[2])), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"Nobody answers at {address!r}: {error}.", fix=_FIX) from error


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for this process and those that it starts, for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
