"""Requests that are nearly right: each gets a documented status, and the server goes on."""

from pathlib import Path

from ran_deploy.serving.spec import ModelSpec
from tests.serving.front import SIZE, running, save_means
from tests.serving.fuzz import Fuzzer


def test_a_fuzzed_server_answers_each_request_and_goes_on(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec) as server:
        fuzzer = Fuzzer(server.at, server.grpc_at, "means", SIZE)
        fuzzer.run(210, seed=1)
        assert not fuzzer.faults
        assert fuzzer.answers()
        server.until("requests_in_progress", 0)
    kinds = {outcome.split(":")[0] for outcome in fuzzer.outcomes}
    assert kinds == {"json", "binary", "image", "address", "raw", "message", "message_bytes"}
    assert {"json: 400", "image: 200", "image: 400", "message: OK", "message: INVALID_ARGUMENT"} <= set(fuzzer.outcomes)
