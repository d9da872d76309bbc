"""The library, built once plain and once with sanitizers, and small engines to run in it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.files import cache_folder
from ran_deploy.manifest import DYNAMIC, Contract, Preprocessing, TensorSpec, publish
from tests.runtime.conftest import _means_model, describe, engines  # noqa: F401 - a fixture
from tests.serve_cpp.abi import Library
from tests.serve_cpp.building import Built, build, fetch_ort_headers
from tests.serve_cpp.small_network import attention_network

CLASSES = 5
SIZE = 24


@pytest.fixture(scope="session")
def ort_options(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Where ONNX Runtime's headers are: ``$ORT_ROOT``, the system's, or Debian's, which are fetched once."""
    if os.environ.get("ORT_ROOT") or Path("/usr/include/onnxruntime").is_dir():
        return ()
    kept = cache_folder("onnxruntime-headers")
    if not (kept / "include" / "onnxruntime_c_api.h").is_file():
        fetched = tmp_path_factory.mktemp("ort") / "headers"
        if not fetch_ort_headers(fetched):
            return ("-DRAN_DEPLOY_ONNXRUNTIME=AUTO",)
        shutil.copytree(fetched, kept, dirs_exist_ok=True)
    return (f"-DORT_ROOT={kept}",)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, ort_options: tuple[str, ...]) -> Built:
    flags = ("-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1")
    return build(tmp_path_factory.mktemp("cpp") / "build", *flags, *ort_options)


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory, ort_options: tuple[str, ...]) -> Built:
    """The same under AddressSanitizer and UBSan; without OpenVINO, whose own code they do not know."""
    flags = ("-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O0", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=20")
    options = ("-DRAN_DEPLOY_SANITIZE=address,undefined", "-DRAN_DEPLOY_OPENVINO=OFF")
    return build(tmp_path_factory.mktemp("sanitized") / "build", *flags, *options, *ort_options)


@pytest.fixture(scope="session")
def library(built: Built) -> Library:
    return Library(built.library)


MakeEngine = Callable[..., Path]


@pytest.fixture(scope="session")
def make_engine(tmp_path_factory: pytest.TempPathFactory) -> MakeEngine:
    """Make an engine whose logits are the mean R, G and B times a fixed matrix [3, classes]: opened in no time."""

    def make(*, dtype: str = "uint8", batch: int = DYNAMIC, resize: int | None = 30, scale: float = 0.05) -> Path:
        nchw = dtype != "uint8"
        shape = (batch, 3, SIZE, SIZE) if nchw else (batch, SIZE, SIZE, 3)
        contract = Contract(
            input=TensorSpec(name="images", dtype=dtype, shape=shape, layout="NCHW" if nchw else "NHWC"),  # type: ignore[arg-type]
            output=TensorSpec(name="logits", dtype="float32", shape=(batch, CLASSES), layout="NC"),
            preprocessing=Preprocessing(resize=resize, size=SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)),
            labels=("red", "green", "blue", "größer", "dark"),
        )
        matrix = np.random.default_rng(4).normal(0, scale, (3, CLASSES)).astype(np.float32)
        path = tmp_path_factory.mktemp("engine") / "means.onnx"
        model = _means_model(matrix, contract, nchw, 20)
        publish(path, lambda target: onnx.save(model, target), describe("onnx", contract))
        return path

    return make


@pytest.fixture(scope="session")
def engine(make_engine: MakeEngine) -> Path:
    return make_engine()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with an attention module."""
    info = dataset_info("cifar10")
    contract = make_contract(info, info.labels)
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    publish(path, lambda target: onnx.save(attention_network(contract), target), describe("onnx", contract))
    return path


@pytest.fixture(scope="session")
def archive(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine as a ``.ran`` archive."""
    path = tmp_path_factory.mktemp("archive") / "means.ran"
    assert run(["package", "--engine", str(engine), "--format", "archive", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One picture in the kinds of JPEG and PNG that there are, with metadata that turns some of them."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:24, :33]
    pixels = np.stack([x * 7 % 256, y * 10, (x * y) % 256], axis=-1).astype(np.uint8)
    image = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(folder / "plain.jpg", quality=90)
    image.save(folder / "turned.jpg", exif=turned)
    image.save(folder / "progressive.jpg", progressive=True, quality=60)
    image.convert("L").save(folder / "grey.jpg")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.save(folder / "plain.png")
    image.save(folder / "turned.png", exif=turned)
    image.convert("P").save(folder / "palette.png")
    image.convert("P").save(folder / "transparent.png", transparency=3)
    image.convert("LA").save(folder / "grey-alpha.png")
    image.convert("1").save(folder / "bits.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    image.convert("RGBA").save(folder / "alpha.png")
    return sorted(folder.iterdir())
