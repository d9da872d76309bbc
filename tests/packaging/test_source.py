"""Which engines may go into a package, and under which names."""

from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.packaging.source import model_names, read_source
from tests.packaging.engines import onnx_engine, plan_engine


def test_what_is_known_of_an_engine(engine: Path, tmp_path: Path) -> None:
    source = read_source(engine)
    assert (source.kind, source.profile, source.flavour) == ("onnx", None, None)
    plan = read_source(plan_engine(tmp_path / "a.plan", flavour="tensorrt-rtx"))
    assert (plan.kind, plan.flavour) == ("plan", "tensorrt-rtx")
    assert plan.profile is not None
    assert plan.profile.max_batch == 32


def test_files_that_cannot_be_packaged(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_source(tmp_path / "absent.onnx")
    with pytest.raises(UsageError, match=r"ends in '.safetensors'; a package holds"):
        read_source(tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="is a package already") as caught:
        read_source(tmp_path / "a.ran")
    assert "engine that it was made from" in str(caught.value.fix)
    bare = onnx_engine(tmp_path / "bare.onnx")
    manifest_path(bare).unlink()
    with pytest.raises(UsageError, match="has no manifest beside it"):
        read_source(bare)
    with pytest.raises(IntegrityError, match="does not say what built it, nor for which batch sizes"):
        read_source(plan_engine(tmp_path / "bare.plan", build=False))


def test_a_tampered_engine(tmp_path: Path) -> None:
    path = onnx_engine(tmp_path / "a.onnx")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="is not the file that its manifest describes"):
        read_source(path)


def test_a_file_under_a_wrong_name(tmp_path: Path) -> None:
    path = onnx_engine(tmp_path / "a.onnx")
    path.rename(tmp_path / "a.plan")
    manifest_path(path).rename(tmp_path / "a.plan.manifest.json")
    with pytest.raises(IntegrityError, match="is named like plan, but its manifest describes onnx"):
        read_source(tmp_path / "a.plan")


def test_names(engine: Path, tmp_path: Path) -> None:
    source = read_source(engine)
    assert model_names((source,), None) == ("small",)
    assert model_names((source,), "other-1.2") == ("other-1.2",)
    with pytest.raises(UsageError, match="names one model, but there are 2 engines"):
        model_names((source, source), "a")
    with pytest.raises(UsageError, match="have the same name"):
        model_names((source, source), None)
    for wrong in ("../a", "a b", ".hidden", "", "a/b"):
        with pytest.raises(UsageError, match="cannot name a model"):
            model_names((source,), wrong)
