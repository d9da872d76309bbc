"""One small network, and its profiles, measured once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ran_deploy.manifest import DYNAMIC, Contract, Preprocessing, TensorSpec
from ran_deploy.profiling import measure
from ran_deploy.profiling.profile import profile
from ran_deploy.profiling.result import ProfileResult
from tests.profiling.small_network import CLASSES, SIZE, small_network
from tests.quant.small import publish_model
from tests.with_openvino import require_openvino

CONTRACT = Contract(
    input=TensorSpec(name="images", dtype="uint8", shape=(DYNAMIC, SIZE, SIZE, 3), layout="NHWC"),
    output=TensorSpec(name="logits", dtype="float32", shape=(DYNAMIC, CLASSES), layout="NC"),
    preprocessing=Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    labels=tuple(f"class{number}" for number in range(CLASSES)),
)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.onnx"
    return publish_model(small_network(), path, contract=CONTRACT)


@pytest.fixture(scope="session")
def quickly() -> Iterator[None]:
    """Two short rounds: enough to see what is measured, too few to believe the times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_ROUNDS", 2)
        patch.setattr(measure, "_SETTLE_MS", 0)
        patch.setattr(measure, "_PROBE_S", 0.0)
        yield


@pytest.fixture(scope="session")
def in_onnxruntime(network: Path, quickly: None, tmp_path_factory: pytest.TempPathFactory) -> ProfileResult:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    trace = tmp_path_factory.mktemp("ort") / "trace.json"
    return profile(network, batch=2, iterations=4, threads=1, trace=trace)


@pytest.fixture(scope="session")
def in_openvino(network: Path, quickly: None, tmp_path_factory: pytest.TempPathFactory) -> ProfileResult:
    require_openvino()
    trace = tmp_path_factory.mktemp("openvino") / "trace.json"
    return profile(network, batch=2, iterations=4, threads=1, runtime="openvino", trace=trace)
