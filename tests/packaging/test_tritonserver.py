"""Packages for Triton's python back end under a real Triton server: the answers are the session's.

``RAN_DEPLOY_TRITON_VENV`` names an environment that ``make triton-venv`` (``serve/triton/make_env.sh``) made.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ran_deploy.data.preprocess import load_images
from ran_deploy.packaging.package import package
from ran_deploy.packaging.triton_options import TritonOptions
from ran_deploy.resources import models_folder
from ran_deploy.runtime.open import open_engine
from tests.explaining.masked import save_masked
from tests.packaging.engines import contract, onnx_engine
from tests.packaging.triton_process import Server, TritonFailedError, triton

pytest.importorskip("tritonclient.grpc", reason="the client comes with tritonclient")
pytest.importorskip("tritonclient.http", reason="the client comes with tritonclient")

ENVIRONMENT = Path(os.environ.get("RAN_DEPLOY_TRITON_VENV", ""))
pytestmark = pytest.mark.skipif(
    not (ENVIRONMENT / "backends" / "python").is_dir(),
    reason="RAN_DEPLOY_TRITON_VENV names no environment with a Triton server; make one with: make triton-venv",
)
ATOL = 1e-5
"""The server's ONNX Runtime may be of another version than ours."""
PYTHON = TritonOptions(backend="python", threads=1, keep_versions=2)

Images = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("engines")
    return {
        "1": onnx_engine(folder / "small.onnx"),
        "2": onnx_engine(folder / "better.onnx", bias=1.0),
        "fixed": onnx_engine(folder / "fixed.onnx", batch=4),
        "masked": save_masked(folder / "masked.onnx"),
    }


@pytest.fixture(scope="module")
def started(
    engines: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, list[int]]]]:
    """A server of one model in two versions and of one with a fixed batch, and what it ran before it was ready."""
    import tritonclient.http as module  # type: ignore[import-untyped]

    repository = tmp_path_factory.mktemp("served") / "models"
    package([engines["1"], engines["fixed"], engines["masked"]], repository, format="triton", triton=PYTHON)
    package([engines["2"]], repository, format="triton", name="small", version=2)
    with triton(ENVIRONMENT, repository) as ready:
        with module.InferenceServerClient(ready.http) as opened:
            found = opened.get_inference_statistics()["model_stats"]
        warmed = {
            f"{model['name']} {model['version']}": sorted(int(run["batch_size"]) for run in model["batch_stats"])
            for model in found
        }
        yield ready, warmed


@pytest.fixture(scope="module")
def server(started: tuple[Server, dict[str, list[int]]]) -> Server:
    return started[0]


@pytest.fixture(scope="module", params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[Any, Any]]:
    """The module of a protocol, and its client."""
    module = pytest.importorskip(f"tritonclient.{request.param}")
    with module.InferenceServerClient(getattr(server, request.param)) as opened:
        yield module, opened


def expected(engine: Path, images: Images) -> npt.NDArray[np.float32]:
    with open_engine(engine, threads=1) as session:
        return session.run(images)


def ask(client: tuple[Any, Any], images: Images, model: str = "small", version: str = "", **options: Any) -> Any:
    module, opened = client
    given = module.InferInput("images", images.shape, "UINT8")
    given.set_data_from_numpy(images)
    return opened.infer(model, [given], model_version=version, **options)


@pytest.fixture(scope="module")
def images() -> Images:
    files = sorted((models_folder() / "samples").glob("*.jpg"))
    real = load_images(files, contract().preprocessing)
    made = np.random.default_rng(3).integers(0, 256, (58, 32, 32, 3), dtype=np.uint8)
    return np.concatenate([real, made])


@pytest.mark.parametrize("count", [1, 6, 64])
def test_the_answers_are_the_sessions(
    count: int, client: tuple[Any, Any], engines: dict[str, Path], images: Images
) -> None:
    for version in ("1", "2"):
        logits = ask(client, images[:count], version=version).as_numpy("logits")
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected(engines[version], images[:count]), rtol=0, atol=ATOL)


def test_the_newest_version_answers_where_none_is_named(
    client: tuple[Any, Any], engines: dict[str, Path], images: Images
) -> None:
    result = ask(client, images[:2])
    np.testing.assert_allclose(result.as_numpy("logits"), expected(engines["2"], images[:2]), rtol=0, atol=ATOL)


def test_requests_that_share_a_batch_get_their_own_answers(
    server: Server, engines: dict[str, Path], images: Images
) -> None:
    import tritonclient.http as module

    with module.InferenceServerClient(server.http, concurrency=8) as opened:
        waiting = []
        for image in images[:32]:
            given = module.InferInput("images", [1, 32, 32, 3], "UINT8")
            given.set_data_from_numpy(image[None])
            waiting.append(opened.async_infer("small", [given], model_version="1"))
        answers = np.concatenate([answer.get_result().as_numpy("logits") for answer in waiting])
    np.testing.assert_allclose(answers, expected(engines["1"], images[:32]), rtol=0, atol=ATOL)


def test_a_fixed_batch(client: tuple[Any, Any], engines: dict[str, Path], images: Images) -> None:
    logits = ask(client, images[:4], model="fixed").as_numpy("logits")
    np.testing.assert_allclose(logits, expected(engines["fixed"], images[:4]), rtol=0, atol=ATOL)


def test_masks_come_where_they_are_asked_for(client: tuple[Any, Any], engines: dict[str, Path]) -> None:
    module, _ = client
    small = np.random.default_rng(4).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    with open_engine(engines["masked"], threads=1) as session:
        logits, masks = session.run_with_masks(small)
    everything = ask(client, small, model="masked")
    np.testing.assert_allclose(everything.as_numpy("logits"), logits, rtol=0, atol=ATOL)
    for name, mask in masks.items():
        np.testing.assert_allclose(everything.as_numpy(name), mask, rtol=0, atol=ATOL)
    one = ask(client, small, model="masked", outputs=[module.InferRequestedOutput("mask_stage2_1")])
    np.testing.assert_allclose(one.as_numpy("mask_stage2_1"), masks["mask_stage2_1"], rtol=0, atol=ATOL)
    assert one.as_numpy("logits") is None
    only = ask(client, small, model="masked", outputs=[module.InferRequestedOutput("logits")])
    np.testing.assert_allclose(only.as_numpy("logits"), logits, rtol=0, atol=ATOL)


def test_the_labels_are_the_contracts(client: tuple[Any, Any], engines: dict[str, Path], images: Images) -> None:
    module, _ = client
    wanted = module.InferRequestedOutput("logits", class_count=1)
    (answer,) = ask(client, images[:1], version="1", outputs=[wanted]).as_numpy("logits")
    best = int(expected(engines["1"], images[:1]).argmax())
    assert np.ravel(answer)[0].decode().split(":")[1:] == [str(best), contract().labels[best]]


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [((1, 16, 32, 3), np.uint8, "unexpected shape"), ((65, 32, 32, 3), np.uint8, "batch-size must be <= 64")],
)
def test_what_does_not_fit_is_refused_and_the_server_goes_on(
    shape: tuple[int, ...], dtype: Any, message: str, client: tuple[Any, Any], images: Images
) -> None:
    from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

    with pytest.raises(InferenceServerException, match=message):
        ask(client, np.zeros(shape, dtype))
    assert ask(client, images[:1]).as_numpy("logits").shape == (1, 10)


def test_the_models_were_warmed_up_with_every_size(started: tuple[Server, dict[str, list[int]]]) -> None:
    assert started[1] == {"small 1": [1, 64], "small 2": [1, 64], "fixed 1": [1], "masked 1": [1, 64]}


def test_an_engine_that_was_changed_is_never_loaded(engines: dict[str, Path], tmp_path: Path) -> None:
    repository = tmp_path / "models"
    package([engines["1"]], repository, format="triton", triton=PYTHON)
    path = repository / "small" / "1" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with (
        pytest.raises(TritonFailedError, match="is not the file that its manifest describes"),
        triton(ENVIRONMENT, repository),
    ):
        pass
