"""The benchmarks' baseline follows the networks: it computes the same, from the classical input."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ran_deploy.arch.registry import create_model

torch = pytest.importorskip("torch", reason="torch is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


@pytest.mark.slow  # the exporter twice, for a baseline of the benchmarks
def test_a_plain_export_gives_the_network_s_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from plain_export import export_plainly  # type: ignore[import-not-found]

    network = create_model("att56", dataset="cifar10", width=4).eval()
    export_plainly(network, 32, tmp_path / "plain.onnx")
    images = np.random.default_rng(1).random((3, 3, 32, 32), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    (logits,) = ort.InferenceSession(tmp_path / "plain.onnx").run(None, {"images": images})
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    sys.modules.pop("plain_export")
