"""The Open Inference Protocol over HTTP, spoken by Triton's own client."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from ran_deploy import predict
from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.serving.front import LABELS, Running, means, pixels, png, running, save_means


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("serving")
    one = save_means(folder / "means.onnx")
    double = save_means(folder / "double.onnx", gain=2.0)
    floats = save_means(folder / "floats.onnx", dtype="float32")
    specs = (
        ModelSpec(name="means", path=one),
        ModelSpec(name="means", path=double),
        ModelSpec(name="floats", path=floats),
    )
    with running(*specs) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(server.at) as client:
        yield client


def tensor(images: np.ndarray, *, binary: bool = True, datatype: str = "UINT8") -> Any:
    found = triton.InferInput("images", list(images.shape), datatype)
    found.set_data_from_numpy(images, binary_data=binary)
    return found


def ask(server: Running, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(server.addresses.http + path, body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_what_the_server_and_its_models_are(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("means")
    assert client.is_model_ready("means", "2")
    assert "classification" in client.get_server_metadata()["extensions"]
    model = client.get_model_metadata("means")
    assert model["versions"] == ["1", "2"]
    assert model["platform"] == "onnxruntime_onnx"
    assert model["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 4, 4, 3]}]
    assert model["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 3]}]
    assert model["parameters"]["labels"] == list(LABELS)
    assert client.get_model_config("means")["input"] == [
        {"name": "images", "data_type": "TYPE_UINT8", "dims": [4, 4, 3]}
    ]
    index = client.get_model_repository_index()
    assert [(one["name"], one["version"], one["state"]) for one in index] == [
        ("means", "1", "READY"),
        ("means", "2", "READY"),
        ("floats", "1", "READY"),
    ]


@pytest.mark.parametrize("sends_binary", [True, False])
@pytest.mark.parametrize("wants", ["binary", "json", "all"])
def test_tensors_in_json_and_in_binary(client: Any, sends_binary: bool, wants: str) -> None:
    images = pixels(5)
    outputs = None if wants == "all" else [triton.InferRequestedOutput("logits", binary_data=wants == "binary")]
    answer = client.infer(
        "means", [tensor(images, binary=sends_binary)], outputs=outputs, model_version="1", request_id="é 7"
    )
    assert np.allclose(answer.as_numpy("logits"), means(images), rtol=1e-6)
    assert answer.as_numpy("logits").dtype == np.float32
    response = answer.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("means", "1", "é 7")


@pytest.mark.parametrize("binary", [True, False])
def test_floating_point_inputs(client: Any, binary: bool) -> None:
    images = np.ascontiguousarray(pixels(2).transpose(0, 3, 1, 2).astype(np.float32) / 255)
    answer = client.infer("floats", [tensor(images, binary=binary, datatype="FP32")])
    assert np.allclose(answer.as_numpy("logits"), images.mean(axis=(2, 3)), rtol=1e-5)


def test_the_newest_version_answers_unless_one_is_named(client: Any) -> None:
    images = pixels(1)
    newest = client.infer("means", [tensor(images)])
    assert newest.get_response()["model_version"] == "2"
    assert np.allclose(newest.as_numpy("logits"), 2 * means(images), rtol=1e-6)


def test_nested_lists_and_a_bare_body(server: Running) -> None:
    images = pixels(2)
    nested = {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [2, 4, 4, 3], "data": images.tolist()}]}
    status, answer = ask(server, "/v2/models/means/versions/1/infer", json.dumps(nested).encode())
    assert status == 200
    assert np.allclose(np.reshape(answer["outputs"][0]["data"], (2, 3)), means(images), rtol=1e-6)
    request = urllib.request.Request(
        server.addresses.http + "/v2/models/means/versions/1/infer",
        images.tobytes(),
        {"Inference-Header-Content-Length": "0"},
    )
    with urllib.request.urlopen(request) as bare:
        head = int(bare.headers["Inference-Header-Content-Length"])
        body = bare.read()
    assert json.loads(body[:head])["outputs"][0]["shape"] == [2, 3]
    assert np.allclose(np.frombuffer(body[head:], "<f4").reshape(2, 3), means(images), rtol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_classification_gives_score_index_and_label(client: Any, binary: bool) -> None:
    images = pixels(2)
    images[0], images[1] = (10, 30, 20), (7, 7, 9)
    wanted = triton.InferRequestedOutput("logits", binary_data=binary, class_count=2)
    answer = client.infer("means", [tensor(images)], outputs=[wanted], model_version="1").as_numpy("logits")
    texts = [[text.decode() if isinstance(text, bytes) else text for text in row] for row in answer]
    assert texts == [["30.000000:1:green", "20.000000:2:blue"], ["9.000000:2:blue", "7.000000:0:red"]]


def test_image_files_are_classified_as_predict_does(server: Running, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(png((20, 90, 40)))
    status, answer = ask(server, "/v2/models/means/versions/2/classify?top=2", image.read_bytes())
    assert status == 200
    assert (answer["schema"], answer["model_version"]) == ("ran-deploy.classify/v1", "2")
    (expected,) = predict(save_means(tmp_path / "double.onnx", gain=2.0), [image], top=2).predictions
    assert list(answer["times_ms"]) == ["decode", "queue", "compute"]
    assert answer["top"] == [
        {"label": guess.label, "index": guess.index, "probability": pytest.approx(guess.probability)}
        for guess in expected.top
    ]
    assert ask(server, "/v2/models/means/classify", png((1, 2, 3)))[1]["top"][0]["label"] == "blue"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("nothing", [tensor(pixels(1))]), "404", "nothing"),
        (("means", [tensor(pixels(1))], "9"), "404", "9"),
        (("means", [tensor(pixels(1).astype(np.float32), datatype="FP32")]), "400", "FP32"),
        (("means", [tensor(pixels(1).reshape(1, 48))]), "400", "48"),
        (("means", [tensor(np.zeros((0, 4, 4, 3), np.uint8))]), "400", "image"),
        (("means", [tensor(pixels(1)), tensor(pixels(1))]), "400", "exactly one"),
        (("../../etc/passwd", [tensor(pixels(1))]), "404", ""),
        (("%2e%2e", [tensor(pixels(1))]), "404", ""),
    ],
)
def test_errors_reach_the_client(client: Any, arguments: tuple[Any, ...], status: str, says: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(*arguments)
    assert caught.value.status() == status
    assert says in caught.value.message()


def test_outputs_that_do_not_exist_are_refused(client: Any) -> None:
    for outputs, says in (
        ([triton.InferRequestedOutput("probabilities")], "probabilities"),
        ([triton.InferRequestedOutput("logits"), triton.InferRequestedOutput("logits")], "2 times"),
    ):
        with pytest.raises(InferenceServerException, match=says):
            client.infer("means", [tensor(pixels(1))], outputs=outputs)


def test_statistics_count_what_was_asked(client: Any) -> None:
    before = client.get_inference_statistics("floats", "1")["model_stats"][0]
    images = np.zeros((3, 3, 4, 4), np.float32)
    client.infer("floats", [tensor(images, datatype="FP32")])
    after = client.get_inference_statistics("floats")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 3
    assert after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    assert 3 in [one["batch_size"] for one in after["batch_stats"]]
    everything = client.get_inference_statistics()["model_stats"]
    assert len(everything) == 3


def test_a_timeout_that_is_over_is_status_504(tmp_path: Path) -> None:
    spec = ModelSpec(name="slow", path=save_means(tmp_path / "slow.onnx"))
    waits = HostOptions(workers=0, max_delay_s=60, lone_waits=True, max_batch=8)
    with running(spec, options=waits) as server, triton.InferenceServerClient(server.at) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.infer("slow", [tensor(pixels(1))], timeout=1000)
        assert caught.value.status() == "504"
        assert server.metric("failures_total", model="slow", version="1", protocol="http", reason="deadline") == 1


def test_a_model_is_reloaded_while_it_answers(tmp_path: Path) -> None:
    path = save_means(tmp_path / "model.onnx")
    images, answers = pixels(1), []
    with running(ModelSpec(name="model", path=path)) as server:
        done = threading.Event()

        def work() -> None:
            with triton.InferenceServerClient(server.at) as client:
                while not done.is_set():
                    answers.append(client.infer("model", [tensor(images)]).as_numpy("logits"))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        with triton.InferenceServerClient(server.at) as client:
            for gain in (2.0, 3.0):
                save_means(path, gain=gain)
                client.load_model("model")
            done.set()
            for thread in threads:
                thread.join()
            last = client.infer("model", [tensor(images)]).as_numpy("logits")
        once = means(images)
        assert np.allclose(last, 3 * once, rtol=1e-6)
        assert answers
        assert all(any(np.allclose(answer, gain * once, rtol=1e-6) for gain in (1, 2, 3)) for answer in answers)
        assert not server.metric("failures_total", model="model", version="1", protocol="http", reason="unavailable")


def test_models_are_unloaded_and_loaded(tmp_path: Path) -> None:
    path = save_means(tmp_path / "model.onnx")
    with running(ModelSpec(name="model", path=path)) as server, triton.InferenceServerClient(server.at) as client:
        client.unload_model("model")
        assert not client.is_model_ready("model")
        assert client.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
        with pytest.raises(InferenceServerException) as caught:
            client.infer("model", [tensor(pixels(1))])
        assert caught.value.status() == "503"
        client.load_model("model")
        assert client.is_model_ready("model")
        with pytest.raises(InferenceServerException, match="file that the server was started with"):
            client.load_model("model", config="{}")
        path.write_bytes(b"no engine")
        with pytest.raises(InferenceServerException, match="manifest"):
            client.load_model("model")
        assert client.infer("model", [tensor(pixels(1))]).as_numpy("logits").shape == (1, 3)
        for call in (client.load_model, client.unload_model):
            with pytest.raises(InferenceServerException) as caught:
                call("nothing")
            assert caught.value.status() == "404"


def test_clients_may_be_kept_from_the_repository(tmp_path: Path) -> None:
    path = save_means(tmp_path / "model.onnx")
    with running(ModelSpec(name="model", path=path), control=False) as server:
        for verb in ("load", "unload"):
            status, answer = ask(server, f"/v2/repository/models/model/{verb}", b"")
            assert status == 403
            assert "--model-control" in answer["error"]
    with running(ModelSpec(name="model", path=path)) as server:
        status, _ = ask(server, "/v2/repository/models/model/unload", b"", Origin="http://elsewhere.example")
        assert status == 403
        assert ask(server, "/v2/repository/models/model/unload", b"", Origin=server.addresses.http)[0] == 200
