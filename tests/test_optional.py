import sys

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.optional import require, versions


def test_a_missing_package_is_one_sentence_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingError, match="ran-deploy eval needs the package onnxruntime") as caught:
        require("onnxruntime", "ran-deploy eval")
    assert caught.value.fix == "Run: pip install 'ran-deploy[cpu]'"
    assert caught.value.exit_code == 6


def test_versions_of_what_is_installed() -> None:
    found = versions("numpy", "no-such-distribution")
    assert set(found) == {"numpy"}
