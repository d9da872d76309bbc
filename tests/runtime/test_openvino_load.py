import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.openvino_load import load_openvino


def test_a_missing_package_is_one_sentence_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingError, match=r"Running a\.onnx needs the package openvino") as caught:
        load_openvino("Running a.onnx")
    assert caught.value.fix == "Run: pip install 'ran-deploy[openvino]'"
    assert "openvino_telemetry" not in sys.modules


def test_it_does_not_phone_home(tmp_path: Path) -> None:
    pytest.importorskip("openvino_telemetry", reason="openvino with its telemetry is not installed")
    code = (
        "import sys\n"
        "from ran_deploy.runtime.openvino_load import load_openvino\n"
        "print(load_openvino('A test').Core.__name__)\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])\n"
    )
    environment = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(importlib.import_module("ran_deploy").__path__[0]).parent),
    }
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout.splitlines() == ["Core", "[]"]
    assert list(tmp_path.iterdir()) == []  # unhindered, it writes an identifier into ~/intel
