import sys
from pathlib import Path

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.optional import require, versions


def test_a_missing_package_is_one_sentence_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingError, match="ran-deploy eval needs the package onnxruntime") as caught:
        require("onnxruntime", "ran-deploy eval")
    assert caught.value.fix == "Run: pip install 'ran-deploy[cpu]'"
    assert caught.value.exit_code == 6


def test_ctrl_c_during_an_import_is_no_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    sum(range(1000))\n"
        "except KeyboardInterrupt as error:\n    raise ImportError('half') from error\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(KeyboardInterrupt):
        require("tensorrt", "ran-deploy build")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)


def test_versions_of_what_is_installed() -> None:
    found = versions("numpy", "no-such-distribution")
    assert set(found) == {"numpy"}
