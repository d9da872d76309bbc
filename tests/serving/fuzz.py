"""A fuzzer for a server: requests that are nearly right, over HTTP and gRPC, and what became of them.

``test_fuzz.py`` sends a few hundred. For many more, against a server that is up:

    python -m tests.serving.fuzz --http 127.0.0.1:8000 --grpc 127.0.0.1:8001 --model NAME --size 32 --cases 20000
"""

import argparse
import contextlib
import http.client
import io
import json
import random
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import grpc  # type: ignore[import-untyped]
from PIL import Image
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]

STATUSES = {200, 400, 404, 405, 408, 413, 415, 429, 431, 504}
"""What a client may be told; 500 and 503 would be faults."""
CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 256, 2**31, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e308),
    *("", "logits", "images", "UINT8", "FP32", "BYTES", "../../etc/passwd", "\x00", "\ud800", "é" * 50, "x" * 3000),
    *([], {}, [[]], [{}], {"": {}}, [None], [[[[[[]]]]]], [0] * 100, ["0"] * 10),
)
Random = random.Random


@dataclass(slots=True)
class Fuzzer:
    """Sends cases of each kind in turn.

    Args:
        http: Host and port.
        grpc: Host and port.
        model: A model with uint8 images of ``size`` × ``size``.
        size: Height and width.
    """

    http: str
    grpc: str
    model: str
    size: int
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _channel: Any = None

    def run(self, cases: int, seed: int) -> None:
        """Send so many cases; each is drawn from ``seed`` and its number alone."""
        kinds: tuple[Callable[[Random], str], ...] = (
            self._json,
            self._binary,
            self._image,
            self._address,
            self._raw,
            self._message,
            self._message_bytes,
        )
        with grpc.insecure_channel(self.grpc) as self._channel:
            self._run(kinds, cases, seed)

    def _run(self, kinds: Sequence[Callable[[Random], str]], cases: int, seed: int) -> None:
        for case in range(cases):
            kind = kinds[case % len(kinds)]
            name = kind.__name__.strip("_")
            try:
                outcome = kind(Random(f"{seed}/{case}"))
            except Exception as error:  # whatever it is, it is what this looks for
                outcome = f"FAULT {type(error).__name__}: {error}"
            self.outcomes[f"{name}: {outcome}"] += 1
            if outcome.startswith("FAULT"):
                self.faults.append(f"case {case} ({name}): {outcome}")

    def answers(self) -> bool:
        """Return whether a good request still gets its answer."""
        return self._post(f"/v2/models/{self.model}/infer", json.dumps(self._document()).encode(), {}) == "200"

    def _document(self) -> dict[str, Any]:
        count = self.size * self.size * 3
        tensor = {"name": "images", "datatype": "UINT8", "shape": [1, self.size, self.size, 3], "data": [7] * count}
        outputs = [{"name": "logits", "parameters": {"classification": 1, "binary_data": False}}]
        return {"id": "x", "parameters": {"timeout": 60_000_000}, "inputs": [tensor], "outputs": outputs}

    def _json(self, rng: Random) -> str:
        text = json.dumps(_spoil_value(self._document(), rng)).encode()
        return self._post(f"/v2/models/{self.model}/infer", _spoil_bytes(text, rng) if rng.random() < 0.3 else text, {})

    def _binary(self, rng: Random) -> str:
        raw = bytes(self.size * self.size * 3)
        document = self._document()
        del document["inputs"][0]["data"]
        document["inputs"][0]["parameters"] = {"binary_data_size": len(raw)}
        head = json.dumps(_spoil_value(document, rng) if rng.random() < 0.7 else document).encode()
        length = rng.choice((len(head), len(head), len(head), 0, len(head) + 1, len(head) - 1, 10**9, -1, "x", ""))
        body = head + raw[: rng.choice((len(raw), len(raw), 0, rng.randrange(len(raw))))]
        return self._post(f"/v2/models/{self.model}/infer", body, {"Inference-Header-Content-Length": str(length)})

    def _image(self, rng: Random) -> str:
        stream = io.BytesIO()
        mode = rng.choice(("RGB", "L", "P", "RGBA", "CMYK", "1", "I;16"))
        kind = rng.choice(("png", "jpeg")) if mode in ("RGB", "L") else "jpeg" if mode == "CMYK" else "png"
        Image.new(mode, (rng.randint(1, 40), rng.randint(1, 40))).save(stream, kind)
        return self._post(f"/v2/models/{self.model}/classify", _spoil_bytes(stream.getvalue(), rng), {})

    def _address(self, rng: Random) -> str:
        parts = ["v2", "models", self.model, "versions", "1", "infer"]
        for _ in range(rng.randint(1, 3)):
            spoilt = str(rng.choice(("..", ".", "", "\x00", "%", "é", "a" * 2000, "/", "\\", "ready", "*", "?top=1")))
            parts[rng.randrange(len(parts))] = quote(spoilt, safe=rng.choice(("", "/.?", "%")))
        return self._post("/" + "/".join(parts), b"{}", {})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> str:
        with contextlib.closing(http.client.HTTPConnection(self.http, timeout=120)) as connection:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status not in STATUSES:
            return f"FAULT status {answer.status}: {content[:200]!r}"
        if answer.status != 200 and list(json.loads(content)) != ["error"]:
            return f"FAULT no error in {content[:200]!r}"
        return str(answer.status)

    def _raw(self, rng: Random) -> str:
        """Send bytes that are hardly HTTP; the server must answer, or end the connection once the client has."""
        head = f"POST /v2/models/{self.model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
        chunked = f"POST /v2/models/{self.model}/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = "2\r\n{}\r\n0\r\n\r\n"
        data = _spoil_bytes(rng.choice((head, chunked + chunks, 3 * head)).encode(), rng)
        name, port = self.http.split(":")
        answer = b""
        with (
            socket.create_connection((name, int(port)), timeout=120) as connection,
            contextlib.suppress(ConnectionError),  # it may end before all was sent
        ):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        status = int(answer[9:12]) if answer else 0
        return str(status) if status in {0, *STATUSES} else f"FAULT {answer[:200]!r}"

    def _message(self, rng: Random) -> str:
        raw = bytes(self.size * self.size * 3)
        message = service_pb2.ModelInferRequest(model_name=rng.choice((*[self.model] * 12, "", "../x", "é")))
        tensor = message.inputs.add(name=rng.choice((*["images"] * 12, "", "x" * 3000)))
        tensor.datatype = rng.choice((*["UINT8"] * 12, "FP32", ""))
        sides = (1, self.size, self.size, 3, 0, -1, 2**62, 2**32)
        good = [1, self.size, self.size, 3]
        tensor.shape.extend(good if rng.random() < 0.8 else [rng.choice(sides) for _ in range(rng.randint(0, 10))])
        for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 2))):
            message.raw_input_contents.append(raw[: rng.choice((*[len(raw)] * 6, 0, rng.randrange(len(raw))))])
        if rng.random() < 0.3:
            tensor.contents.uint_contents.extend([rng.choice((7, 300))] * rng.choice((0, len(raw))))
        if rng.random() < 0.3:
            message.parameters["timeout"].int64_param = rng.choice((-1, 60_000_000, 2**62))
        if rng.random() < 0.3:
            output = message.outputs.add(name=rng.choice(("logits", "x")))
            output.parameters["classification"].int64_param = rng.choice((-1, 2, 2**62))
        return self._call(message.SerializeToString())

    def _message_bytes(self, rng: Random) -> str:
        tensor = {"name": "images", "datatype": "UINT8", "shape": [1, self.size, self.size, 3]}
        message = service_pb2.ModelInferRequest(model_name=self.model, inputs=[tensor])
        message.raw_input_contents.append(bytes(self.size * self.size * 3))
        return self._call(_spoil_bytes(message.SerializeToString(), rng))

    def _call(self, data: bytes) -> str:
        try:
            self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(data, timeout=120)
        except grpc.RpcError as error:
            code = error.code().name
            return code if code in CODES else f"FAULT {code}: {error.details()}"
        return "OK"


def _spoil_bytes(data: bytes, rng: Random) -> bytes:
    """Cut, flip, repeat, remove or insert."""
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(spoilt) + 1)
        match rng.randrange(5):
            case 0:
                del spoilt[place:]
            case 1 if place < len(spoilt):
                spoilt[place] ^= 1 << rng.randrange(8)
            case 2:
                spoilt[place:place] = spoilt[place : place + rng.randint(1, 64)]
            case 3:
                del spoilt[place : place + rng.randint(1, 16)]
            case _:
                spoilt[place:place] = rng.randbytes(rng.randint(1, 16))
    return bytes(spoilt)


def _spoil_value(value: Any, rng: Random) -> Any:
    """Replace, remove, rename or repeat something somewhere in a JSON value."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return rng.choice(NASTY)
    if isinstance(value, list):
        spoilt = list(value)
        place = rng.randrange(len(spoilt))
        match rng.randrange(4):
            case 0:
                del spoilt[place]
            case 1:
                spoilt.append(spoilt[place])
            case _:
                spoilt[place] = _spoil_value(spoilt[place], rng)
        return spoilt
    key = rng.choice(list(value))
    rest = {name: one for name, one in value.items() if name != key}
    match rng.randrange(6):
        case 0:
            return rest
        case 1:
            return {**rest, str(rng.choice(NASTY)): value[key]}
        case _:
            return {**value, key: _spoil_value(value[key], rng)}


def main(words: list[str]) -> int:
    """Fuzz a server that is up; print what became of the cases; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description="Fuzz a server.")
    parser.add_argument("--http", required=True, help="host and port")
    parser.add_argument("--grpc", required=True, help="host and port")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True, help="height and width of the model's images")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    fuzzer = Fuzzer(options.http, options.grpc, options.model, options.size)
    fuzzer.run(options.cases, options.seed)
    for outcome, count in sorted(fuzzer.outcomes.items()):
        sys.stdout.write(f"{count:>8,}  {outcome}\n")
    for fault in fuzzer.faults[:20]:
        sys.stdout.write(f"{fault}\n")
    good = fuzzer.answers()
    sys.stdout.write(f"{len(fuzzer.faults)} faults; a good request is {'answered' if good else 'NOT answered'}\n")
    return 0 if good and not fuzzer.faults else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
