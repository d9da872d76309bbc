"""Which library builds."""

import importlib.util
from types import ModuleType

import pytest

from ran_deploy.engine import flavour as subject
from ran_deploy.engine.flavour import load_flavour
from ran_deploy.engine.targets import check_targets
from ran_deploy.errors import IncompatibleError, MissingError, UsageError

FULL = importlib.util.find_spec("tensorrt") is not None


def test_rtx_is_loaded_by_name() -> None:
    loaded = load_flavour("tensorrt-rtx")
    assert (loaded.name, loaded.gpu) == ("tensorrt-rtx", None)
    assert loaded.version == loaded.module.__version__


@pytest.mark.skipif(FULL, reason="the full TensorRT is installed")
def test_auto_takes_rtx_and_the_full_library_is_asked_for() -> None:
    assert load_flavour("auto").name == "tensorrt-rtx"
    with pytest.raises(MissingError, match="needs the package tensorrt") as caught:
        load_flavour("tensorrt")
    assert "pip install 'ran-deploy[tensorrt]'" in caught.value.fix


def test_unknown_flavours_are_refused() -> None:
    with pytest.raises(UsageError, match="'trt'"):
        load_flavour("trt")


@pytest.mark.parametrize(("version", "accepted"), [("1.2.0.54", False), ("1.3.0.35", True), ("1.10.2", True)])
def test_versions_are_compared_as_numbers(version: str, accepted: bool) -> None:
    module = ModuleType("tensorrt_rtx")
    module.__version__ = version  # type: ignore[attr-defined]
    if accepted:
        assert subject._checked("tensorrt-rtx", module, None).version == version
    else:
        with pytest.raises(IncompatibleError, match=r"needs 1\.3 or later"):
            subject._checked("tensorrt-rtx", module, None)


def test_targets_are_sorted_and_unique() -> None:
    loaded = load_flavour("tensorrt-rtx")
    assert check_targets(loaded, ("sm120", "sm86", "sm86")) == ("sm86", "sm120")
    assert check_targets(loaded, ()) == ()


@pytest.mark.parametrize("target", ["sm90", "sm100", "none", "current", "89", ""])
def test_targets_that_rtx_lacks_are_refused(target: str) -> None:
    with pytest.raises(UsageError, match="sm75, sm80, sm86, sm89, sm120"):
        check_targets(load_flavour("tensorrt-rtx"), (target,))
