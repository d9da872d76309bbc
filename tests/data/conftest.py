"""Small data sets in the publishers' layouts, and a file server with the manners, good and bad, of real ones."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _cifar10(folder: Path, count: int = 4) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        rows = rng.integers(0, 256, (count, 3073), dtype=np.uint8)
        rows[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    (folder / "batches.meta.txt").write_text("\n".join(names.split()) + "\n\n")
    return folder


def _tiny(home: Path, classes: int = 200) -> Path:
    names = [f"n{place:08d}" for place in range(classes)]
    (home / "val" / "images").mkdir(parents=True)
    lines = []
    for place, name in enumerate(names):
        (home / "train" / name / "images").mkdir(parents=True)
        image = Image.new("RGB", (64, 64), (place, 255 - place, 7))
        image.save(home / "train" / name / "images" / f"{name}_0.JPEG")
        image.save(home / "val" / "images" / f"val_{place}.JPEG")
        lines.append(f"val_{place}.JPEG\t{name}\t0\t0\t62\t62\n")
    (home / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    (home / "wnids.txt").write_text("\n".join(reversed(names)) + "\n")
    (home / "words.txt").write_text(
        "n00000000\tgoldfish, Carassius auratus\nn00000001\tcrane\nn00000002\tcrane, bird\n"
    )
    return home


@pytest.fixture
def make_cifar10() -> Callable[..., Path]:
    """Write CIFAR-10's binary layout with a few random images for each batch."""
    return _cifar10


@pytest.fixture
def make_tiny() -> Callable[..., Path]:
    """Write Tiny ImageNet's layout with one image of a known colour for each class and split."""
    return _tiny


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local addresses are not asked of the proxy that this machine may have."""
    monkeypatch.setenv("no_proxy", "*")


@dataclass
class FileServer:
    """A local HTTP server; its fields say how it behaves."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    status: int | None = None
    """Answer everything with this."""
    cuts: list[int] = field(default_factory=list)
    """The next answers break off after so many bytes."""
    hold: threading.Event | None = None
    """Keep connections open, silent, until this is set."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


def _handler(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append(wanted)
            body = server.files.get(self.path.lstrip("/"))
            if server.status or body is None:
                self.send_error(server.status or 404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
            if start and start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            rest = body[start:]
            self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)
            if server.hold:
                server.hold.wait(20)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    return Handler


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    """Serve ``files`` on a port of this machine."""
    server = FileServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        http.shutdown()
        thread.join()
