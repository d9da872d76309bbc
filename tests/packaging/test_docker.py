"""A container's folder, read as Docker would read it; building it takes Docker, which is not asked for here."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.errors import IncompatibleError, MissingError, UsageError
from ran_deploy.manifest import manifest_path, verified_manifest
from ran_deploy.packaging import docker
from ran_deploy.packaging.docker import CORE, SERVE, DockerOptions
from ran_deploy.packaging.package import package
from ran_deploy.packaging.record import RECORD, read_record
from ran_deploy.packaging.result import PackageResult
from ran_deploy.packaging.sbom import SBOM
from tests.packaging.engines import plan_engine

DIGEST = "python:3.11.13-slim-bookworm@sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def pins(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Pin without the packages of a service being installed here; what was asked for is kept."""
    asked: list[list[str]] = []

    def pinned(requirements: list[str], *, fix: str) -> tuple[str, ...]:
        asked.append(requirements)
        return ("numpy==2.0", "onnxruntime==1.22.0")

    monkeypatch.setattr(docker, "pin", pinned)
    return asked


def made(engine: Path, out: Path, **options: Any) -> tuple[PackageResult, list[tuple[str, str]]]:
    result = package([engine], out, format="docker", docker=DockerOptions(**{"base_image": DIGEST, **options}))
    return result, instructions((out / "Dockerfile").read_text())


def instructions(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions with their arguments."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def test_the_instructions(engine: Path, tmp_path: Path) -> None:
    _, found = made(engine, tmp_path / "out")
    names = [name for name, _ in found]
    by_name = dict(found)
    assert names[0] == "FROM"
    assert by_name["FROM"] == DIGEST
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"}
    assert set(names) == known
    assert by_name["USER"] == "10001:10001"
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY")), (
        "what is copied belongs to root, and the service cannot change it"
    )
    assert by_name["EXPOSE"] == "8000 8001"
    assert json.loads(by_name["ENTRYPOINT"]) == [
        *("python", "-m", "ran_deploy", "serve", "--engine", "/engines/small.onnx"),
        *("--host", "0.0.0.0", "--port", "8000", "--grpc-port", "8001"),
    ]
    assert "NVIDIA" not in by_name["ENV"]
    assert all("=" in pair for pair in shlex.split(by_name["ENV"]))


def test_the_entry_point_is_one_that_serve_takes(engine: Path, tmp_path: Path) -> None:
    """Each option must be one of the command's, or the container would end when it is started."""
    import inspect

    from ran_deploy.cli.serve import serve_command

    _, found = made(engine, tmp_path / "out", runtime="openvino")
    command = json.loads(dict(found)["ENTRYPOINT"])
    assert command[-2:] == ["--runtime", "openvino"]
    options = {word[2:].replace("-", "_") for word in command if word.startswith("--")}
    assert options <= set(inspect.signature(serve_command).parameters)


def test_the_health_check_asks_for_readiness(engine: Path, tmp_path: Path) -> None:
    _, found = made(engine, tmp_path / "out", port=9000, grpc_port=9001)
    command = json.loads(dict(found)["HEALTHCHECK"].partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "9000" in command[2]
    assert "/v2/health/ready" in command[2]


def test_everything_that_is_copied_is_there_and_reaches_the_builder(engine: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result, found = made(engine, out)
    ignore = (out / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    sources = {rest.split()[0].rstrip("/") for name, rest in found if name == "COPY"}
    assert sources == allowed
    assert all((out / source).exists() for source in sources)
    assert (out / "app" / "ran_deploy" / "__main__.py").is_file()
    names = [file.path for file in result.files]
    assert not [name for name in names if "__pycache__" in name or "_models" in name]
    assert verified_manifest(out / "engines" / "small.onnx") is not None
    assert (out / "engines" / "small.onnx").read_bytes() == engine.read_bytes()
    record = read_record(out)
    assert record is not None
    assert record.format == "docker"
    assert RECORD in names


def test_what_is_installed(engine: Path, tmp_path: Path, pins: list[list[str]]) -> None:
    _, found = made(engine, tmp_path / "out")
    assert pins == [[*CORE, *SERVE, "onnxruntime"]]
    run = dict(found)["RUN"]
    assert "--no-deps --requirement requirements.txt && pip check" in run
    lines = (tmp_path / "out" / "requirements.txt").read_text().splitlines()[1:]
    assert lines == ["numpy==2.0", "onnxruntime==1.22.0"]
    bill = json.loads((tmp_path / "out" / SBOM).read_text())
    parts = {part["name"]: part for part in bill["components"]}
    assert (parts["numpy"]["version"], parts["onnxruntime"]["version"]) == ("2.0", "1.22.0")
    manifest = verified_manifest(engine)
    assert manifest is not None
    assert parts["engines/small.onnx"]["hashes"][0]["content"] == manifest.sha256
    made(engine, tmp_path / "openvino", runtime="openvino")
    assert pins[1][-1] == "openvino"
    assert not [name for name in pins[0] + pins[1] if name.startswith("torch")]


def test_the_lists_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=;~! ]", requirement)[0] for requirement in requirements}

    assert set(CORE) == names(project["dependencies"])
    assert set(SERVE) == names(project["optional-dependencies"]["serve"])


def test_a_plan(tmp_path: Path, pins: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_engine(tmp_path / "a.plan")
    monkeypatch.setattr(docker, "versions", lambda name: {name: "10.13.0.35"})
    _, found = made(plan, tmp_path / "out")
    assert pins == [[*CORE, *SERVE, "tensorrt", "cuda-core", "cuda-bindings"]]
    assert "NVIDIA_VISIBLE_DEVICES=all" in dict(found)["ENV"]
    assert "--gpus all" in (tmp_path / "out" / "Dockerfile").read_text()
    with pytest.raises(UsageError, match=r"--runtime openvino is for .onnx engines"):
        made(plan, tmp_path / "other", runtime="openvino")
    monkeypatch.setattr(docker, "versions", lambda name: {name: "10.14.0.1"})
    with pytest.raises(IncompatibleError, match=r"was built by tensorrt 10.13.0.35; here is tensorrt 10.14.0.1"):
        made(plan, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_default_image_is_of_this_pythons_minor_version(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.version_info", (3, 12, 1, "final", 0))
    result, found = made(engine, tmp_path / "out", base_image=None)
    assert dict(found)["FROM"] == "python:3.12.11-slim-bookworm"
    assert "pinned by its tag" in result.notes[0]
    monkeypatch.setattr("sys.version_info", (3, 99, 0, "final", 0))
    with pytest.raises(UsageError, match=r"No image is known for Python 3\.99"):
        made(engine, tmp_path / "other", base_image=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_image": "python"}, "is not pinned"),
        ({"base_image": "python:latest"}, "is not pinned"),
        ({"base_image": "python@sha256:00"}, "is not pinned"),
        ({"base_image": "python:3.11\nRUN evil"}, "is not pinned"),
        ({"port": 80}, "expected two different ones from 1024"),
        ({"port": 8001}, "expected two different ones"),
        ({"runtime": "onnxruntime-cuda"}, "is not one for this container"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DockerOptions(**options)


def test_images_of_a_registry() -> None:
    for image in ("registry.example:5000/team/python:3.11.13", f"registry.example/{DIGEST}", DIGEST):
        assert DockerOptions(base_image=image).base_image == image


def test_a_machine_without_the_service(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(requirements: list[str], *, fix: str) -> tuple[str, ...]:
        raise MissingError("starlette is not installed here", fix=fix)

    monkeypatch.setattr(docker, "pin", missing)
    with pytest.raises(MissingError) as caught:
        made(engine, tmp_path / "out")
    assert caught.value.fix == "Run: pip install 'ran-deploy[serve,cpu]'"
    with pytest.raises(MissingError) as caught:
        made(engine, tmp_path / "out", runtime="openvino")
    assert caught.value.fix == "Run: pip install 'ran-deploy[serve,openvino]'"
    plan = plan_engine(tmp_path / "a.plan")
    monkeypatch.setattr(docker, "versions", lambda name: {})
    with pytest.raises(MissingError) as caught:
        made(plan, tmp_path / "out")
    assert caught.value.fix == "Run: pip install 'ran-deploy[serve,tensorrt,gpu]'"
    assert manifest_path(engine).exists()
    assert not (tmp_path / "out").exists()
