"""What a client that lies, floods or dawdles gets: a documented status or the end of its connection, never a crash."""

import contextlib
import http.client
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from ran_deploy.errors import UsageError
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.serving.front import Running, means, pixels, png, running, save_means

INFER = "/v2/models/means/infer"
CLASSIFY = "/v2/models/means/classify"
KIB = 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = save_means(tmp_path_factory.mktemp("limits") / "means.onnx")
    limits = HttpLimits(body_bytes=256 * KIB, held_bytes=512 * KIB, head_bytes=8 * KIB)
    with running(ModelSpec(name="means", path=path), limits=limits) as server:
        yield server


def document(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 4, 4, 3], "data": [0] * 48}
    return {"inputs": [{**tensor, **changes}]}


def post(server: Running, path: str, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection(server.at)
    with contextlib.closing(connection):
        connection.request("POST", path, body, headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), {name.lower(): value for name, value in answer.getheaders()}


def connect(server: Running) -> socket.socket:
    name, port = server.at.split(":")
    return socket.create_connection((name, int(port)), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, in whatever way."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def flooded(connection: socket.socket, data: bytes) -> bool:
    """Send the same again and again, without reading, until the server ends the connection."""
    try:
        while True:
            connection.sendall(data)
    except ConnectionError:
        return True


def still_answers(server: Running) -> bool:
    images = pixels(1)
    status, answer, _ = post(server, INFER, json.dumps(document(data=images.ravel().tolist())))
    return status == 200 and np.allclose(answer["outputs"][0]["data"], means(images)[0], rtol=1e-6)


BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "too deep": b"[" * 100_000,
    "a huge number": b'{"inputs": ' + b"9" * 5000 + b"}",
    "no inputs": b"{}",
    "inputs that are none": b'{"inputs": 3}',
    "inputs that are no objects": b'{"inputs": [3]}',
    "parameters that are none": json.dumps({**document(), "parameters": 3}).encode(),
    "an id that is none": json.dumps({**document(), "id": 3}).encode(),
    "a long id": json.dumps({**document(), "id": "x" * 2000}).encode(),
    "a timeout that is none": json.dumps({**document(), "parameters": {"timeout": "soon"}}).encode(),
    "a negative timeout": json.dumps({**document(), "parameters": {"timeout": -1}}).encode(),
    "outputs that are none": json.dumps({**document(), "outputs": "logits"}).encode(),
    "a binary flag that is none": json.dumps({**document(), "parameters": {"binary_data_output": 1}}).encode(),
    "a class count that is none": json.dumps(
        {**document(), "outputs": [{"name": "logits", "parameters": {"classification": -1}}]}
    ).encode(),
    **{
        f"{key} {value!r:.20}": json.dumps(document(**{key: value})).encode()
        for key, value in (
            ("name", 3),
            ("name", "../images"),
            ("name", "imag\u0435s"),
            ("name", "\ud800"),
            ("datatype", "BYTES"),
            ("datatype", None),
            ("datatype", "FP32"),
            ("shape", None),
            ("shape", "1,4,4,3"),
            ("shape", [1, 4, 4]),
            ("shape", [-1, 4, 4, 3]),
            ("shape", [1.0, 4, 4, 3]),
            ("shape", [True, 4, 4, 3]),
            ("shape", [1] * 100),
            ("shape", [2**62, 4, 4, 3]),
            ("shape", [0, 4, 4, 3]),
            ("data", None),
            ("data", "0" * 48),
            ("data", [0] * 47),
            ("data", [0] * 47 + [256]),
            ("data", [0] * 47 + [-1]),
            ("data", [0] * 47 + [2**70]),
            ("data", [0] * 47 + [0.5]),
            ("data", [0] * 47 + [True]),
            ("data", [0] * 47 + ["7"]),
            ("data", [0] * 47 + [None]),
            ("data", [[0] * 47, [0]]),
            ("data", [[[[{}]]]]),
        )
    },
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_malformed_requests_are_status_400(server: Running, body: bytes) -> None:
    status, answer, _ = post(server, INFER, body)
    assert status == 400
    assert list(answer) == ["error"]


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "999999", "٣", "99999999999999999999"])
def test_lying_lengths_of_the_json_are_status_400(server: Running, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length.encode().decode("latin-1")}
    assert post(server, INFER, b"{}", **headers)[0] == 400


@pytest.mark.parametrize(("size", "sent"), [(47, 48), (49, 48), (48, 0), (-1, 48), ("48", 48), (1.5, 48), (2**63, 48)])
def test_lying_sizes_of_raw_data_are_status_400(server: Running, size: Any, sent: int) -> None:
    told = document(parameters={"binary_data_size": size})
    del told["inputs"][0]["data"]
    head = json.dumps(told).encode()
    status, answer, _ = post(server, INFER, head + bytes(sent), **{"Inference-Header-Content-Length": str(len(head))})
    assert status == 400
    assert "binary_data_size" in answer["error"] or "bytes of data" in answer["error"]


def test_raw_data_that_nothing_announces_is_status_400(server: Running) -> None:
    head = json.dumps(document()).encode()
    for told in (document(), document(parameters={"binary_data_size": 48})):
        head = json.dumps(told).encode()
        assert post(server, INFER, head + bytes(48), **{"Inference-Header-Content-Length": str(len(head))})[0] == 400
    assert post(server, INFER, bytes(47), **{"Inference-Header-Content-Length": "0"})[0] == 400


def bomb(side: int) -> bytes:
    """Return a PNG that says to be huge and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "body", [b"", b"not an image", png((1, 2, 3))[:-30], bomb(30_000), bomb(2**31 - 1)], ids=range(5)
)
def test_bad_image_files_are_status_400(server: Running, body: bytes) -> None:
    status, answer, _ = post(server, CLASSIFY, body)
    assert status == 400
    assert answer["error"]


@pytest.mark.parametrize("top", ["0", "-1", "x", "1e9", "", "٣", "9999999999"])
def test_bad_numbers_of_classes_are_status_400(server: Running, top: str) -> None:
    assert post(server, f"{CLASSIFY}?top={quote(top)}", png((1, 2, 3)))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v2/models/../../etc/passwd", 404),
        ("GET", "/v2/models/%00", 404),
        ("GET", "/v2/models/means/versions/..", 404),
        ("POST", "/v2/repository/models/..%2fx/load", 404),
        ("POST", "/v2/repository/models/%ff/load", 404),
        ("GET", INFER, 405),
        ("DELETE", "/v2/models/means", 405),
        ("POST", "/v2/health/live", 405),
    ],
)
def test_addresses_that_do_not_exist(server: Running, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(server.at)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=False)
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == status
        said = json.loads(answer.read())["error"]
        assert said
        if status == 405:
            assert said == f"This address takes another method: {answer.headers['Allow']}."


def test_large_bodies_are_status_413_before_they_are_read(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")  # not one byte of the body was sent
    status, answer, _ = post(server, INFER, bytes(256 * KIB + 1))
    assert status == 413
    assert str(256 * KIB) in answer["error"]
    status, _, _ = post(server, CLASSIFY, iter([bytes(100 * KIB)] * 3), **{"Transfer-Encoding": "chunked"})
    assert status == 413
    assert still_answers(server)


def test_a_client_that_asks_before_it_sends_is_told_at_once(server: Running) -> None:
    with connect(server) as connection:
        head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**9}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_endless_bodies_are_cut_off(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        assert flooded(connection, b"10000\r\n" + bytes(65536) + b"\r\n")


def test_compressed_bodies_are_status_415(server: Running) -> None:
    assert post(server, INFER, b"x", **{"Content-Encoding": "gzip"})[0] == 415


def test_long_headers_are_status_431(server: Running) -> None:
    begin = b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: "
    with connect(server) as connection:
        connection.sendall(begin.ljust(8 * KIB + 1, b"x"))  # nothing more, or its answer could be lost
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"8192 bytes" in answer
    with connect(server) as connection:
        assert flooded(connection, begin.ljust(KIB, b"x"))
    assert still_answers(server)


def test_no_http_is_refused(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")
    assert still_answers(server)


def test_a_full_queue_is_status_429_with_a_time_to_retry(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    waits = HostOptions(workers=0, max_delay_s=60, lone_waits=True, max_batch=8, queue=1)
    with running(spec, options=waits) as server, connect(server) as first:
        body = json.dumps(document())
        first.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        server.until("queue_images", 1, model="means", version="1")
        status, answer, headers = post(server, INFER, body)
        assert status == 429
        assert answer["error"]
        assert headers["retry-after"] == "1"
        assert server.metric("failures_total", model="means", version="1", protocol="http", reason="queue_full") == 1
        first.close()  # a client that goes away leaves the queue
        server.until("queue_images", 0, model="means", version="1")


def test_bodies_that_fill_the_memory_set_aside_are_status_429(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    limits = HttpLimits(body_bytes=64 * KIB, held_bytes=64 * KIB)
    with running(spec, limits=limits) as server, connect(server) as first:
        first.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {64 * KIB}\r\n\r\n".encode())
        first.sendall(bytes(60 * KIB))
        while post(server, INFER, bytes(8 * KIB))[0] != 429:  # until the first has been read
            pass
        first.sendall(bytes(4 * KIB))
        assert first.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert still_answers(server)


def test_clients_that_do_not_finish_their_headers_are_cut_off(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec, limits=HttpLimits(head_s=0.05)) as server:
        for sent in (b"", b"GET /v2 HTTP/1.1\r\nHo"):
            with connect(server) as connection:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(sent)
                assert read_all(connection) == b""


def test_a_body_that_does_not_come_is_status_408(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec, limits=HttpLimits(body_s=0.05)) as server, connect(server) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert server.metric("failures_total", model="means", version="1", protocol="http", reason="slow_client") == 1


def test_clients_that_never_read_are_cut_off(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    limits = HttpLimits(write_s=0.05, pipelined=10**6)
    with running(spec, limits=limits) as server:
        name, port = server.at.split(":")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((name, int(port)))
            assert flooded(connection, b"GET /page/static/page.js HTTP/1.1\r\nHost: x\r\n\r\n")  # pipelined


def test_requests_that_are_piled_up_end_the_connection(server: Running) -> None:
    with connect(server) as connection:
        assert flooded(connection, 100 * b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
    with connect(server) as connection:
        connection.sendall(20 * b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 21
    assert still_answers(server)


def test_connections_are_counted(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec, limits=HttpLimits(connections=2)) as server, connect(server) as one, connect(server) as two:
        for connection in (one, two):
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        with connect(server) as three:
            assert read_all(three).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("name", ["body_bytes", "connections", "head_s"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        HttpLimits(**{name: 0})


def test_one_body_must_fit() -> None:
    with pytest.raises(UsageError, match="held_bytes"):
        HttpLimits(body_bytes=10, held_bytes=9)


def test_more_classes_than_there_are(server: Running) -> None:
    status, answer, _ = post(server, f"{CLASSIFY}?top=99", png((1, 2, 3)))
    assert status == 200
    assert len(answer["top"]) == 3
