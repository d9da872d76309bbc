"""The service of a container's folder runs, without Docker: the code that was copied, its command and its health check.

The packages are those of this environment instead of the pinned ones, and the engines lie in the folder.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.packaging.docker import DockerOptions
from ran_deploy.packaging.package import package
from ran_deploy.runtime.open import open_engine
from tests.packaging.test_docker import DIGEST, instructions

grpc_client = pytest.importorskip("tritonclient.grpc", reason="the service needs ran-deploy[serve]")
for module in ("starlette", "uvicorn", "httptools", "prometheus_client"):
    pytest.importorskip(module, reason="the service needs ran-deploy[serve]")


def test_the_copied_service_answers_and_ends_in_order(engine: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    package([engine], out, format="docker", docker=DockerOptions(base_image=DIGEST, port=8765, grpc_port=8766))
    found = dict(instructions((out / "Dockerfile").read_text()))
    health = [sys.executable, *json.loads(found["HEALTHCHECK"].partition("CMD ")[2])[1:]]
    assert "8765" in health[2]
    command = [sys.executable, *json.loads(found["ENTRYPOINT"])[1:], "--json"]
    command = [word.replace("/engines/", f"{out}/engines/").replace("0.0.0.0", "127.0.0.1") for word in command]
    command = ["0" if word in ("8765", "8766") else word for word in command]  # ports that nobody else has
    environment = {**os.environ, "PYTHONPATH": str(out / "app"), "OMP_NUM_THREADS": "1"}
    (tmp_path / "empty").mkdir()

    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=tmp_path / "empty", env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        ) as service,
    ):
        try:
            assert service.stdout is not None
            lines = []
            for line in service.stdout:  # one document, printed when the models are ready
                lines.append(line)
                if line == "}\n":
                    break
            assert lines, (tmp_path / "log").read_text()
            ready = json.loads("".join(lines))
            assert ready["models"][0]["engine"] == f"{out}/engines/small.onnx"
            health[2] = health[2].replace("8765", ready["http"].rpartition(":")[2])
            assert subprocess.run(health, check=False).returncode == 0

            images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
            given = grpc_client.InferInput("images", images.shape, "UINT8")
            given.set_data_from_numpy(images)
            with grpc_client.InferenceServerClient(ready["grpc"]) as client:
                logits = client.infer("small", [given]).as_numpy("logits")
            service.send_signal(signal.SIGTERM)
            assert service.wait() == 0, (tmp_path / "log").read_text()
        finally:
            service.kill()  # without effect on one that ended
    with open_engine(engine) as session:
        np.testing.assert_allclose(logits, session.run(images), rtol=0, atol=1e-5)
    assert subprocess.run(health, check=False, capture_output=True).returncode != 0
