"""The library under AddressSanitizer, its leak checker and UBSan: right answers, and damage by the thousand."""

import json
from pathlib import Path

import pytest

from ran_deploy.manifest import manifest_path
from tests.serve_cpp.building import SAMPLES, Built
from tests.serve_cpp.conftest import MakeEngine
from tests.unsealed import unsealed


def _fuzz(sanitized: Built, archive: Path, engine: Path, pictures: list[Path], cases: int, seed: int) -> None:
    """Each part must refuse often and accept sometimes, so that both ways are walked; nothing may be internal."""
    # Unsealed: nearly every mutation of a sealed manifest ends at its digest.
    unsealed_copy = pictures[0].with_name("unsealed.json")
    unsealed_copy.write_text(json.dumps(unsealed(engine), indent=2))
    whole = (unsealed_copy, archive, *pictures)
    said = sanitized.run("test/fuzz", str(cases), str(seed), *whole).stdout.decode()
    lines = [line.split(":") for line in said.splitlines()]
    outcomes = {name: dict(zip(rest.split()[::2], map(int, rest.split()[1::2]), strict=True)) for name, rest in lines}
    for part in ("manifest", "archive", "image", "sizes of fit"):
        assert sum(outcomes[part].values()) == cases // 5
        assert outcomes[part]["usage" if part == "sizes of fit" else "integrity"] > cases // 20
        assert outcomes[part].get("ok", 0) > (0 if part == "archive" else cases // 500)
        assert "internal" not in outcomes[part]
    assert outcomes["handles"]["usage"] > cases


def test_fuzz(sanitized: Built, archive: Path, engine: Path, pictures: list[Path]) -> None:
    sanitized.require("JPEG", "PNG")
    _fuzz(sanitized, archive, engine, pictures, 4000, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_fuzz_at_length(sanitized: Built, archive: Path, engine: Path, pictures: list[Path], seed: int) -> None:
    sanitized.require("JPEG", "PNG")
    _fuzz(sanitized, archive, engine, pictures, 250_000, seed)


def test_golden_outputs(built: Built, sanitized: Built, make_engine: MakeEngine, pictures: list[Path]) -> None:
    sanitized.require("onnxruntime", "JPEG", "PNG")
    for path in (make_engine(), make_engine(dtype="float32", batch=1, resize=None)):
        arguments: tuple[str | Path, ...] = ("logits", path, "onnxruntime", *pictures, *SAMPLES)
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
