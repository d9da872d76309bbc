"""``ran-deploy serve`` as a process: its announcement, its signals and its exit codes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ran_deploy
from ran_deploy.cli.app import run
from ran_deploy.errors import UsageError
from tests.serving.front import means, pixels, save_means


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return save_means(tmp_path / "means.onnx")


class Process:
    """A server in a process of its own, ready to answer; what it says on stderr is kept."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "ran_deploy", "serve", "--port", "0", "--grpc-port", "0", "--json", *arguments]
        root = str(Path(ran_deploy.__file__).parents[1])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:  # one document, then silence until the end
            lines.append(line)
            if line == "}\n":
                break
        self.document = json.loads("".join(lines)) if lines else {}

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and stderr."""
        stdout, stderr = self.process.communicate()
        assert not stdout
        return self.process.returncode, stderr

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.document["http"] + path) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    @contextlib.contextmanager
    def held(self, body: bytes) -> Iterator[http.client.HTTPConnection]:
        """Begin a request of raw images; return when it was admitted, with all but the first byte still to be sent."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.putrequest("POST", "/v2/models/means/infer")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Inference-Header-Content-Length", "0")
            connection.endheaders(body[:1])
            while b"ran_deploy_requests_in_progress 1.0" not in self.get("/metrics")[1]:
                pass
            yield connection

    @property
    def port(self) -> int:
        return int(self.document["http"].rpartition(":")[2])


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Process]:
    server = Process(*arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.communicate()


def test_sigterm_answers_what_was_accepted_and_refuses_the_rest(engine: Path) -> None:
    images = pixels(2)
    with (
        contextlib.ExitStack() as stack,
        serving("--engine", str(engine), "--log-format", "json") as server,
    ):
        assert server.document["schema"] == "ran-deploy.serve/v1"
        assert [model["name"] for model in server.document["models"]] == ["means"]
        accepted = stack.enter_context(server.held(images.tobytes()))
        server.process.send_signal(signal.SIGTERM)
        while server.get("/v2/health/ready")[0] != 503:
            pass
        assert server.get("/v2/health/live")[0] == 200
        late = urllib.request.Request(server.document["http"] + "/v2/models/means/infer", b"{}")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(late)
        accepted.send(images.tobytes()[1:])
        answer = accepted.getresponse()
        body = answer.read()
        assert answer.status == 200
        assert body.endswith(means(images).tobytes())
        code, stderr = server.end()
        assert code == 0, stderr
        assert "everything that was accepted has been answered" in stderr
        assert any(json.loads(line)["event"] == "draining" for line in stderr.splitlines() if line.startswith("{"))
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))


def test_ctrl_c_of_a_terminal_is_code_130(engine: Path) -> None:
    engines = ("--engine", f"two={engine}", "--engine", f"two={engine}")
    with serving(*engines, "--no-grpc", "--host", "0.0.0.0") as server:
        assert server.document["grpc"] is None
        assert server.document["model_control"] is False
        os.killpg(server.process.pid, signal.SIGINT)  # a terminal sends it to the workers too
        code, stderr = server.end()
    assert code == 130
    lines = stderr.splitlines()
    at = server.document["http"]
    for line, version in zip(lines, "12", strict=False):
        assert line.startswith(f"serving two version {version} (onnxruntime, ")
        assert line.endswith(f": {at}/v2/models/two/versions/{version}")
    assert lines[2] == f"to try images in a browser: {at}/"
    assert lines[3].startswith("warning: other machines can reach this server")
    assert "interrupted" in lines[-1]
    assert "Traceback" not in stderr


def test_a_second_signal_ends_at_once(engine: Path) -> None:
    with serving("--engine", str(engine), "--no-grpc", "--workers", "0") as server, server.held(b"{}"):
        server.process.send_signal(signal.SIGTERM)
        while server.get("/v2/health/ready")[0] != 503:
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.end()[0] == 143


def test_a_drain_that_is_too_short_is_code_1(engine: Path) -> None:
    with (
        serving("--engine", str(engine), "--no-grpc", "--workers", "0", "--drain-seconds", "0.05") as server,
        server.held(b"{}"),
    ):
        server.process.send_signal(signal.SIGTERM)
        code, stderr = server.end()
    assert code == 1
    assert "1 accepted request(s) were not answered within 0.05 s" in stderr


def test_it_belongs_into_the_main_thread(engine: Path) -> None:
    with ThreadPoolExecutor() as threads, pytest.raises(UsageError, match="no signals"):
        threads.submit(ran_deploy.serve, [engine]).result()


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_code_2(engine: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        free = {"--port": "0", "--grpc-port": "0", option: port}
        assert run(["serve", "--engine", str(engine), "--workers", "0", *sum(free.items(), ())]) == 2
    error = capsys.readouterr().err
    assert f"Nothing can listen at 127.0.0.1:{port}" in error
    assert "fix: Stop what uses the port" in error


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--engine", "no.onnx"], 2, "no.onnx does not exist"),
        (["--engine", "a/b=means.onnx"], 2, "'a/b'"),
        (["--engine", "m@1={engine}", "--engine", "m@1={engine}"], 2, "same name and version"),
        (["--engine", "{engine}", "--port", "70000"], 2, "70000"),
        (["--engine", "{engine}", "--host", "no.such.host.invalid"], 2, "no.such.host.invalid"),
        (["--engine", "{engine}", "--queue", "0"], 2, "--queue"),
        (["--engine", "{engine}", "--max-delay-ms", "-1"], 2, "--max-delay-ms"),
        (["--engine", "{engine}", "--max-body-mb", "0"], 2, "--max-body-mb is 0"),
        (["--engine", "{engine}", "--max-body-mb", "nan"], 2, "--max-body-mb is nan"),
        (["--engine", "{engine}", "--max-body-mb", "inf"], 2, "--max-body-mb is inf"),
        (["--engine", "{engine}", "--drain-seconds", "0"], 2, "--drain-seconds"),
        (["--engine", "{engine}", "--log-format", "xml"], 2, "xml"),
        (["--engine", "{broken}"], 5, "manifest"),
    ],
)
def test_wrong_usage(
    engine: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = save_means(tmp_path / "broken.onnx")
    broken.write_bytes(broken.read_bytes()[:-20])
    named = [text.format(engine=engine, broken=broken) for text in arguments]
    free = [] if "--port" in arguments else ["--port", "0"]
    assert run(["serve", *named, *free, "--grpc-port", "0", "--workers", "0"]) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
