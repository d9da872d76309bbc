"""The text of a container's files.

Dockerfile: https://docs.docker.com/reference/dockerfile/. The service runs as a user without a name or a home, from
code that it cannot write to, and is healthy when its models are ready.
"""

import json
from collections.abc import Sequence

from ran_deploy import __version__

USER_ID = 10001
"""No user of the host has it, so that what leaves the container has no rights there."""
IGNORE = "# Only what the image needs goes to the builder.\n*\n!app\n!engines\n!requirements.txt\n"


def dockerfile_text(base: str, engines: Sequence[str], *, port: int, grpc_port: int, runtime: str, on_gpu: bool) -> str:
    """Return the Dockerfile.

    Args:
        base: The image to begin with.
        engines: File names in the folder ``engines``.
        port: Port of HTTP.
        grpc_port: Port of gRPC.
        runtime: What runs the engines; "auto": as ``ran-deploy serve`` chooses.
        on_gpu: Whether the engines need a GPU.
    """
    command = ["python", "-m", "ran_deploy", "serve"]
    for engine in engines:
        command += ["--engine", f"/engines/{engine}"]
    command += ["--host", "0.0.0.0", "--port", str(port), "--grpc-port", str(grpc_port)]  # noqa: S104  # a container's
    if runtime != "auto":
        command += ["--runtime", runtime]
    # Not urllib, which would send the request to a proxy that the environment names.
    probe = (
        f"import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', {port}, timeout=3); "
        "c.request('GET', '/v2/health/ready'); sys.exit(c.getresponse().status != 200)"
    )
    gpu = "\n    NVIDIA_VISIBLE_DEVICES=all \\\n    NVIDIA_DRIVER_CAPABILITIES=compute,utility \\" if on_gpu else ""
    run = " --gpus all" if on_gpu else ""
    return f"""\
# Made by ran-deploy {__version__}.
#   docker build --tag ran-deploy-service .
#   docker run --rm{run} --read-only --tmpfs /tmp --cap-drop ALL --publish {port}:{port} \\
#     --publish {grpc_port}:{grpc_port} ran-deploy-service
FROM {base}

ENV PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1 \\{gpu}
    PYTHONPATH=/app \\
    RAN_DEPLOY_CACHE=/tmp/ran-deploy

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --no-deps --requirement requirements.txt && pip check
COPY app/ ./
COPY engines/ /engines/

USER {USER_ID}:{USER_ID}
EXPOSE {port} {grpc_port}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \\
  CMD {json.dumps(["python", "-c", probe])}
ENTRYPOINT {json.dumps(command)}
"""


def requirements_text(pins: Sequence[str]) -> str:
    """Return the requirements file."""
    return "".join(
        f"{line}\n" for line in ("# Exactly what the engines were packaged with; no other is needed.", *pins)
    )
