"""The Open Inference Protocol over gRPC, spoken by Triton's own client and by its bare stubs."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
import tritonclient.grpc as triton  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.serving.front import Running, means, pixels, running, save_means


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("grpc")
    specs = (
        ModelSpec(name="means", path=save_means(folder / "means.onnx")),
        ModelSpec(name="means", path=save_means(folder / "double.onnx", gain=2.0)),
        ModelSpec(name="floats", path=save_means(folder / "floats.onnx", dtype="float32")),
    )
    with running(*specs, limits=HttpLimits(body_bytes=256 * 1024)) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(server.grpc_at) as client:
        yield client


@pytest.fixture
def stub(server: Running) -> Iterator[Any]:
    with grpc.insecure_channel(server.grpc_at) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(images: np.ndarray, datatype: str = "UINT8") -> Any:
    found = triton.InferInput("images", list(images.shape), datatype)
    found.set_data_from_numpy(images)
    return found


def request(**changes: Any) -> Any:
    """Return a message with typed contents."""
    fields = {"name": "images", "datatype": "UINT8", "shape": [1, 4, 4, 3], "contents": {"uint_contents": [7] * 48}}
    return service_pb2.ModelInferRequest(model_name="means", model_version="1", inputs=[{**fields, **changes}])


def test_what_the_server_and_its_models_are(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("means")
    assert client.get_server_metadata().name == "ran-deploy"
    model = client.get_model_metadata("means", as_json=True)
    assert model["versions"] == ["1", "2"]
    assert model["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": ["-1", "4", "4", "3"]}]
    config = client.get_model_config("means").config
    assert config.max_batch_size == 32
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    index = client.get_model_repository_index().models
    assert [(one.name, one.version, one.state) for one in index] == [
        ("means", "1", "READY"),
        ("means", "2", "READY"),
        ("floats", "1", "READY"),
    ]


def test_raw_contents(client: Any) -> None:
    images = pixels(5)
    answer = client.infer("means", [tensor(images)], model_version="1", request_id="seven")
    assert np.allclose(answer.as_numpy("logits"), means(images), rtol=1e-6)
    assert (answer.get_response().id, answer.get_response().model_version) == ("seven", "1")
    newest = client.infer("means", [tensor(images)], outputs=[triton.InferRequestedOutput("logits")])
    assert np.allclose(newest.as_numpy("logits"), 2 * means(images), rtol=1e-6)


def test_typed_contents(stub: Any) -> None:
    images = pixels(2)
    answer = stub.ModelInfer(request(shape=[2, 4, 4, 3], contents={"uint_contents": images.ravel().tolist()}))
    assert np.allclose(np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(2, 3), means(images), rtol=1e-6)
    floats = request(datatype="FP32", shape=[1, 3, 4, 4], contents={"fp32_contents": [0.5] * 48})
    floats.model_name = "floats"
    assert np.frombuffer(stub.ModelInfer(floats).raw_output_contents[0], "<f4").tolist() == [0.5, 0.5, 0.5]


def test_classification(client: Any) -> None:
    images = pixels(1)
    images[0] = (10, 30, 20)
    wanted = triton.InferRequestedOutput("logits", class_count=2)
    answer = client.infer("means", [tensor(images)], outputs=[wanted], model_version="1").as_numpy("logits")
    assert answer.tolist() == [[b"30.000000:1:green", b"20.000000:2:blue"]]


@pytest.mark.parametrize(
    ("model", "inputs", "code"),
    [
        ("nothing", [tensor(pixels(1))], "NOT_FOUND"),
        ("../means", [tensor(pixels(1))], "NOT_FOUND"),
        ("means", [tensor(pixels(1).astype(np.float32), "FP32")], "INVALID_ARGUMENT"),
        ("means", [tensor(pixels(1).reshape(1, 48))], "INVALID_ARGUMENT"),
        ("means", [tensor(pixels(1)), tensor(pixels(1))], "INVALID_ARGUMENT"),
        ("means", [tensor(pixels(8000))], "RESOURCE_EXHAUSTED"),
    ],
)
def test_errors_have_their_status_codes(client: Any, model: str, inputs: list[Any], code: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, inputs)
    assert caught.value.status() == f"StatusCode.{code}"
    assert caught.value.message()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": []},
        {"shape": [-1, 4, 4, 3]},
        {"shape": [2**62, 4, 4, 3]},
        {"shape": [0, 2**62, 2**62], "contents": {}},
        {"shape": [1] * 100},
        {"contents": {"uint_contents": [7] * 47}},
        {"contents": {"uint_contents": [7] * 47 + [256]}},
        {"contents": {"int_contents": [7] * 48}},
        {"contents": {}},
        {"datatype": "BYTES"},
        {"name": "im\u0430ges"},
        {"name": ""},
    ],
)
def test_malformed_messages_are_invalid_arguments(stub: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request(**changes))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_raw_contents_must_match(stub: Any) -> None:
    both = request()
    both.raw_input_contents.append(bytes(48))
    short = request(contents=None)
    short.raw_input_contents.append(bytes(47))
    two = request(contents=None)
    two.raw_input_contents.extend([bytes(48), bytes(48)])
    for message in (both, short, two):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_not_implemented_says_so(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.SystemSharedMemoryStatus(service_pb2.SystemSharedMemoryStatusRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_answers_in_order_and_outlives_an_error(client: Any) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    images = [pixels(1, seed) for seed in range(3)]
    client.async_stream_infer("means", [tensor(images[0])], model_version="1")
    client.async_stream_infer("nothing", [tensor(images[1])])
    client.async_stream_infer("means", [tensor(images[2])], model_version="1")
    first, second, third = (answers.get() for _ in range(3))
    client.stop_stream()
    assert np.allclose(first[0].as_numpy("logits"), means(images[0]), rtol=1e-6)
    assert "nothing" in str(second[1])
    assert np.allclose(third[0].as_numpy("logits"), means(images[2]), rtol=1e-6)


def test_statistics_and_metrics(client: Any, server: Running) -> None:
    client.infer("floats", [tensor(np.zeros((2, 3, 4, 4), np.float32), "FP32")])
    (found,) = client.get_inference_statistics("floats").model_stats
    assert found.inference_count >= 2
    assert found.inference_stats.success.count >= 1
    assert (server.metric("requests_total", model="floats", version="1", protocol="grpc") or 0) >= 1


def test_a_full_queue_and_a_deadline(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    waits = HostOptions(workers=0, max_delay_s=60, lone_waits=True, max_batch=8, queue=1)
    with running(spec, options=waits) as server, grpc.insecure_channel(server.grpc_at) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        waiting = stub.ModelInfer.future(request())
        server.until("queue_images", 1, model="means", version="1")
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(request())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        waiting.cancel()  # leaves the queue
        server.until("queue_images", 0, model="means", version="1")
        timed = request()
        timed.parameters["timeout"].int64_param = 1000
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(timed)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_repository(tmp_path: Path) -> None:
    path = save_means(tmp_path / "means.onnx")
    spec = ModelSpec(name="means", path=path)
    with running(spec) as server, triton.InferenceServerClient(server.grpc_at) as client:
        client.unload_model("means")
        assert not client.is_model_ready("means")
        with pytest.raises(InferenceServerException) as caught:
            client.infer("means", [tensor(pixels(1))])
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
        save_means(path, gain=3.0)
        client.load_model("means")
        images = pixels(1)
        assert np.allclose(client.infer("means", [tensor(images)]).as_numpy("logits"), 3 * means(images), rtol=1e-6)
        with pytest.raises(InferenceServerException, match="file that the server was started with"):
            client.load_model("means", config="{}")
    with running(spec, control=False) as server, triton.InferenceServerClient(server.grpc_at) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.unload_model("means")
        assert caught.value.status() == "StatusCode.PERMISSION_DENIED"


def test_a_closed_gate_is_unavailable(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec) as server, triton.InferenceServerClient(server.grpc_at) as client:
        server.service.gate.close()
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready("means")
        with pytest.raises(InferenceServerException) as caught:
            client.infer("means", [tensor(pixels(1))])
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
        labels = {"model": "(unknown)", "version": "(unknown)", "protocol": "grpc", "reason": "unavailable"}
        assert server.metric("failures_total", **labels) == 1
