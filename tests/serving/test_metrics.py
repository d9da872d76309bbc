"""The metrics of a server, read as Prometheus reads them."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ran_deploy.serving.metrics import Metrics
from ran_deploy.serving.spec import ModelSpec
from tests.serving.front import Running, pixels, png, running, save_means

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(server: Running) -> dict[Sample, float]:
    with urllib.request.urlopen(server.addresses.http + "/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def named(name: str, **labels: str) -> Sample:
    return f"ran_deploy_{name}", frozenset({"model": "means", "version": "1", **labels}.items())


def post(server: Running, path: str, body: bytes, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(server.addresses.http + path, body, headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_is_counted(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec) as server:
        raw = {"Inference-Header-Content-Length": "0"}
        assert post(server, "/v2/models/means/infer", pixels(3).tobytes(), **raw) == 200
        assert post(server, "/v2/models/means/infer", b"[]") == 400
        assert post(server, "/v2/models/nothing/infer", b"[]") == 404
        assert post(server, "/v2/models/means/classify", png((1, 2, 3))) == 200
        server.until("requests_total", 3, model="means", version="1", protocol="http")
        found = scrape(server)
        info = {name: dict(labels) for name, labels in found if name == "ran_deploy_model_info"}
    assert found[named("requests_total", protocol="http")] == 3
    assert found[named("failures_total", protocol="http", reason="invalid")] == 1
    unknown = named("failures_total", model="(unknown)", version="(unknown)", protocol="http", reason="not_found")
    assert found[unknown] == 1
    assert not [labels for _, labels in found if ("model", "nothing") in labels]
    assert found[named("images_total")] == 4
    assert found[named("queue_images")] == 0
    assert found[named("batch_images_count")] == 2
    assert found[named("batch_images_sum")] == 4
    assert found[named("batch_images_bucket", le="2.0")] == 1
    for stage in ("decode", "queue", "compute", "total"):
        assert found[named("stage_seconds_count", stage=stage)] == 2
        assert found[named("stage_seconds_sum", stage=stage)] >= 0
    assert found[named("model_ready")] == 1
    assert info["ran_deploy_model_info"]["platform"] == "onnxruntime_onnx"
    assert found["ran_deploy_requests_in_progress", frozenset()] == 0


def test_a_model_that_is_out_of_service_is_not_ready(tmp_path: Path) -> None:
    spec = ModelSpec(name="means", path=save_means(tmp_path / "means.onnx"))
    with running(spec) as server:
        assert post(server, "/v2/repository/models/means/unload", json.dumps({}).encode()) == 200
        found = scrape(server)
    assert found[named("model_ready")] == 0
    assert "ran_deploy_model_info" not in {name for name, _ in found}


def test_what_workers_do_is_counted() -> None:
    metrics = Metrics()
    observer = metrics.observer("means", "1")
    assert metrics.observer("means", "1") is observer
    observer.worker_started()
    observer.worker_lost()
    observer.worker_started()
    observer.failed("deadline")
    values = {"model": "means", "version": "1"}
    assert metrics.registry.get_sample_value("ran_deploy_workers_started_total", values) == 2
    assert metrics.registry.get_sample_value("ran_deploy_workers_lost_total", values) == 1
    ((name, version, totals),) = metrics.statistics()
    assert (name, version, totals.fail.count) == ("means", "1", 1)


@pytest.mark.parametrize("why", ["", "deadline"])
def test_only_answers_have_a_latency(why: str) -> None:
    metrics = Metrics()
    metrics.ended("means", "1", "http", 0.5, why)
    labels = {"model": "means", "version": "1", "stage": "total"}
    count = metrics.registry.get_sample_value("ran_deploy_stage_seconds_count", labels)
    assert count == (None if why else 1)
