"""Where a server listens: sockets that are bound before anything is loaded, and what to call them."""

import ipaddress
import socket
from dataclasses import dataclass

from ran_deploy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a server is reached."""

    http: str
    """Base URL, such as "http://127.0.0.1:8000"."""
    grpc: str | None
    """Host and port, such as "127.0.0.1:8001"; None: gRPC is not served."""
    loopback: bool
    """Whether only this machine reaches it."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens at ``host`` and ``port``; 0 takes a free port.

    Raises:
        UsageError: The port is in use or not allowed, or the host is not one of this machine.
    """
    check_port(port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host!r} is no address of a network: {error}.", fix="Use 127.0.0.1.") from error
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)  # so that another server cannot take the port either
    except OSError as error:
        listener.close()
        raise cannot_listen(host, port, error.strerror or str(error)) from error
    listener.setblocking(False)
    return listener


def cannot_listen(host: str, port: int, why: str) -> UsageError:
    """Return the error of a port that cannot be had."""
    return UsageError(
        f"Nothing can listen at {joined(host, port)}: {why}.",
        fix="Stop what uses the port, or choose another with --port or --grpc-port; 0 takes a free one.",
    )


def check_port(port: int) -> None:
    """Check a port's range.

    Raises:
        UsageError: It is not from 0 to 65535.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"The port is {port}; expected 0 to 65535.", fix="Use --port 8000 or --port 0.")


def joined(host: str, port: int) -> str:
    """Return host and port as addresses write them, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine can reach a socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback
