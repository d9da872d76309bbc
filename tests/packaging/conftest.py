"""One packaged repository for all checks that only read it."""

from pathlib import Path

import pytest

from ran_deploy.packaging.package import package
from tests.packaging.engines import onnx_engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_engine(tmp_path_factory.mktemp("engine") / "small.onnx")


@pytest.fixture(scope="session")
def repository(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository for ONNX Runtime; tests that change it copy it first."""
    out = tmp_path_factory.mktemp("repository") / "models"
    package([engine], out, format="triton", name="small")
    return out
