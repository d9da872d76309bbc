"""The library under AddressSanitizer, its leak checker and UBSan: right answers, and damage by the thousand."""

from pathlib import Path

import pytest

from ran_deploy.manifest import manifest_path
from tests.serve_cpp.building import SAMPLES, Built
from tests.serve_cpp.conftest import MakeEngine


def _fuzz(sanitized: Built, engine: Path, pictures: list[Path], cases: int, seed: int) -> dict[str, dict[str, int]]:
    said = sanitized.run("test/fuzz", str(cases), str(seed), manifest_path(engine), *pictures).stdout.decode()
    lines = [line.split(":") for line in said.splitlines()]
    return {name: dict(zip(rest.split()[::2], map(int, rest.split()[1::2]), strict=True)) for name, rest in lines}


def _check(outcomes: dict[str, dict[str, int]], cases: int) -> None:
    """Each part was refused often and accepted sometimes, so that both ways were walked; nothing was internal."""
    for part, refusal in (("manifest", "integrity"), ("image", "integrity"), ("sizes of fit", "usage")):
        assert sum(outcomes[part].values()) == cases // 4
        assert outcomes[part][refusal] > cases // 16
        assert outcomes[part]["ok"] > cases // 400
        assert "internal" not in outcomes[part]
    assert outcomes["handles"]["usage"] > cases


def test_fuzz(sanitized: Built, engine: Path, pictures: list[Path]) -> None:
    sanitized.require("JPEG", "PNG")
    _check(_fuzz(sanitized, engine, pictures, 4000, 1), 4000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_fuzz_at_length(sanitized: Built, engine: Path, pictures: list[Path], seed: int) -> None:
    sanitized.require("JPEG", "PNG")
    _check(_fuzz(sanitized, engine, pictures, 250_000, seed), 250_000)


def test_golden_outputs(built: Built, sanitized: Built, make_engine: MakeEngine, pictures: list[Path]) -> None:
    sanitized.require("onnxruntime", "JPEG", "PNG")
    for path in (make_engine(), make_engine(dtype="float32", batch=1, resize=None)):
        arguments = ("logits", path, "onnxruntime", *pictures, *SAMPLES)
        assert sanitized.run("test/driver", *arguments).stdout == built.run("test/driver", *arguments).stdout


def test_eight_threads_and_many_engines(sanitized: Built, engine: Path) -> None:
    sanitized.require("onnxruntime", "JPEG")
    assert sanitized.run("test/driver", "threads", engine, "onnxruntime", "8", *SAMPLES).stdout == b"0\n"
    sanitized.run("test/driver", "cycles", engine, "onnxruntime", "20", SAMPLES[0])


def test_refusals(sanitized: Built, make_engine: MakeEngine, tmp_path: Path) -> None:
    sanitized.require("onnxruntime", "JPEG")
    path = make_engine()
    (tmp_path / "cut.jpg").write_bytes(SAMPLES[0].read_bytes()[:900])
    sanitized.run("classify", path, tmp_path / "cut.jpg", code=5)
    path.write_bytes(path.read_bytes()[:-1])
    sanitized.run("classify", path, SAMPLES[0], code=5)
    manifest_path(path).unlink()
    sanitized.run("classify", path, SAMPLES[0], code=2)
