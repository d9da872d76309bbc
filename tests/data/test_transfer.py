"""What a transfer does when the server or the disk fails in the middle."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.data import transfer
from ran_deploy.data.transfer import download
from ran_deploy.errors import UsageError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_RETRY_DELAYS_S", (0.01, 0.01))
    monkeypatch.setattr(transfer, "_TIMEOUT_S", 0.3)


@pytest.fixture
def raw_server() -> Iterator[Callable[..., str]]:
    """Answer each connection with the next of the given byte strings, then close it."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(*answers: bytes) -> str:
        def run() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threads.append(threading.Thread(target=run))
        threads[0].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield serve
    for thread in threads:
        thread.join()
    listener.close()


def test_silence_ends_in_a_message(file_server: Any, tmp_path: Path) -> None:
    file_server.files["file"] = bytes(1000)
    file_server.cuts = [10, 20, 30]
    file_server.hold = threading.Event()
    with pytest.raises(UsageError, match=r"broke off after 60 bytes.*timed out"):
        download(file_server.url("file"), tmp_path / "part", what="test")
    file_server.hold.set()


def test_a_server_that_sends_another_range(raw_server: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"abc")
    wrong = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/6\r\nContent-Length: 3\r\n\r\nabc"
    right = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"
    assert download(raw_server(wrong, right), tmp_path / "part", what="test") == 6
    assert (tmp_path / "part").read_bytes() == b"abcdef"


def test_a_length_that_is_not_told(raw_server: Callable[..., str], tmp_path: Path) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert download(raw_server(chunked), tmp_path / "part", what="test") == 3
    assert (tmp_path / "part").read_bytes() == b"abc"


def test_answers_that_are_not_http(raw_server: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="broke off"):
        download(raw_server(b"SSH-2.0-OpenSSH\r\n", b"", b"\xff"), tmp_path / "part", what="test")
    assert not (tmp_path / "part").exists()


def test_a_full_disk(file_server: Any) -> None:
    file_server.files["file"] = bytes(1 << 20)
    with pytest.raises(UsageError, match="No space left") as caught:
        download(file_server.url("file"), Path("/dev/full"), what="test")
    assert "Free some space" in caught.value.fix
