import sys
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, UsageError
from ran_deploy.manifest import manifest_path, read_manifest
from ran_deploy.runtime import gpu, plan_preflight
from ran_deploy.runtime.gpu import Gpu
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.plan_preflight import Approval, check_plan, fits_targets

rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")


def _check(path: Any) -> Gpu:
    manifest = read_manifest(path)
    assert manifest is not None
    return check_plan(path, manifest).gpu


def _has_gpu() -> bool:
    try:
        gpu.require_gpu("this test")
    except MissingError:
        return False
    return True


def test_other_version_names_both_and_the_command(make_plan: Any, make_means: Any) -> None:
    parent = make_means()
    path = make_plan(version="1.2.3.4", parent=parent)
    with pytest.raises(IncompatibleError) as caught:
        _check(path)
    assert "was built by tensorrt-rtx 1.2.3.4 for sm80, sm120+" in caught.value.message
    assert f"here is tensorrt-rtx {rtx.__version__}" in caught.value.message
    assert caught.value.fix == f"Run: ran-deploy build --onnx {parent} --out {path} --flavour tensorrt-rtx"
    assert caught.value.exit_code == 4


def test_missing_library(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingError, match="which tensorrt built, needs the package tensorrt") as caught:
        _check(make_plan(flavour="tensorrt"))
    assert caught.value.fix == "Run: pip install 'ran-deploy[tensorrt]'"
    assert caught.value.exit_code == 6


@pytest.mark.skipif(_has_gpu(), reason="this machine has a GPU")
def test_needs_a_gpu_and_names_the_onnx_file(make_plan: Any, make_means: Any) -> None:
    parent = make_means()
    with pytest.raises(MissingError, match=r"needs an NVIDIA GPU") as caught:
        open_engine(make_plan(version=rtx.__version__, parent=parent))
    assert caught.value.fix == f"For the CPU, use --engine {parent}"
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(("capability", "options"), [(89, "--targets sm89"), (90, "--flavour tensorrt")])
def test_gpu_that_the_plan_is_not_for(
    make_plan: Any, monkeypatch: pytest.MonkeyPatch, capability: int, options: str
) -> None:
    other = Gpu(name="NVIDIA X", capability=capability)
    monkeypatch.setattr(plan_preflight, "require_gpu", lambda purpose, fix: other)
    with pytest.raises(IncompatibleError, match=rf"for sm80, sm120\+; here is NVIDIA X, sm{capability}") as caught:
        _check(make_plan(version=rtx.__version__))
    assert caught.value.fix.endswith(options)  # TensorRT-RTX does not build for sm90


def test_plan_that_fits(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = Gpu(name="NVIDIA A100", capability=80)
    monkeypatch.setattr(plan_preflight, "require_gpu", lambda purpose, fix: fitting)
    path = make_plan(version=rtx.__version__)
    manifest = read_manifest(path)
    assert check_plan(path, manifest) == Approval(flavour="tensorrt-rtx", library=rtx, gpu=fitting)


def test_manifest_without_build(make_plan: Any) -> None:
    with pytest.raises(IntegrityError, match="does not say what built it"):
        _check(make_plan(build=False))


@pytest.mark.parametrize(
    ("targets", "capability", "fits"),
    [
        (("sm89",), 89, True),
        (("sm89",), 90, False),
        (("sm80", "sm120+"), 90, False),
        (("sm80", "sm120+"), 121, True),
        ((), 80, False),
    ],
)
def test_targets(targets: tuple[str, ...], capability: int, fits: bool) -> None:
    assert fits_targets(targets, capability) is fits


def test_malformed_target() -> None:
    with pytest.raises(IntegrityError, match="'turing'; expected one like 'sm89'"):
        fits_targets(("turing",), 75)


def _foreign(path: Path, version: tuple[int, ...], mask: int) -> Path:
    """Write a file that begins like a plan, as far as TensorRT-RTX's own plans tell, and has no manifest."""
    header = b"vtrt" + bytes(20) + bytes(version) + bytes(4) + bytes([mask])
    path.write_bytes(header + b"the rest of the plan")
    return path


_HERE = tuple(int(part) for part in rtx.__version__.split(".")[:4])


def test_a_plan_on_trust_is_judged_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _foreign(tmp_path / "other.plan", (1, 2, 3, 4), mask=8)
    with pytest.raises(IncompatibleError, match=r"was built by tensorrt-rtx 1\.2\.3\.4 for sm89; here is tensorrt-rtx"):
        check_plan(other, None)
    same = _foreign(tmp_path / "same.plan", _HERE, mask=8)
    monkeypatch.setattr(plan_preflight, "require_gpu", lambda purpose, fix: Gpu(name="NVIDIA X", capability=90))
    with pytest.raises(IncompatibleError, match=r"for sm89; here is NVIDIA X, sm90"):
        check_plan(same, None)
    monkeypatch.setattr(plan_preflight, "require_gpu", lambda purpose, fix: Gpu(name="NVIDIA L4", capability=89))
    assert check_plan(same, None).flavour == "tensorrt-rtx"
    silent = _foreign(tmp_path / "silent.plan", _HERE, mask=0)  # a header that names no targets rules none out
    assert check_plan(silent, None).gpu.name == "NVIDIA L4"


def test_a_header_of_the_full_tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path = _foreign(tmp_path / "full.plan", (10, 13, 3, 9), mask=255)
    with pytest.raises(MissingError, match="which tensorrt built, needs the package tensorrt"):
        check_plan(path, None)


def test_trust_does_not_make_any_file_a_plan(make_plan: Any) -> None:
    path = make_plan()
    manifest_path(path).unlink()
    with pytest.raises(UsageError, match="no manifest beside it") as caught:
        open_engine(path)
    assert "--trust" in caught.value.fix
    with pytest.raises(IntegrityError, match=r"model\.plan does not begin like a TensorRT plan"):
        open_engine(path, trust=True)
