"""The page's addresses: its parts and their headers, facts, answers with masks, and the limits of everyone."""

import base64
import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ran_deploy.manifest import manifest_path
from ran_deploy.resources import models_folder
from ran_deploy.serving.http_limits import HttpLimits
from ran_deploy.serving.masks import HOW_TO
from ran_deploy.serving.page import POLICY
from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.explaining.masked import SIZE, save_checkpoint, save_masked
from tests.serving.front import Running, png, running, save_means

STRANGE = ('<img src=x onerror="alert(1)">', "grün & blau", "${blue}")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    return {
        "masked": save_masked(folder / "masked.onnx", labels=STRANGE),
        "plain": save_means(folder / "plain.onnx", gain=0.03),
        "torch": save_checkpoint(folder / "torch.safetensors", "att56"),
        "changing": save_masked(folder / "changing.onnx", overflow=True),
    }


@pytest.fixture(scope="module")
def server(engines: dict[str, Path]) -> Iterator[Running]:
    specs = [ModelSpec(name=name, path=path, threads=1) for name, path in engines.items()]
    options = HostOptions(workers=0, max_pixels=64 * 64)
    with running(*specs, options=options, limits=HttpLimits(body_bytes=20_000)) as server:
        yield server


def get(server: Running, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(server.addresses.http + path, body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def explain(server: Running, model: str, body: bytes, query: str = "") -> tuple[int, Any]:
    status, _, content = get(server, f"/page/models/{model}/explain{query}", body)
    return status, json.loads(content)


def half(side: int = SIZE) -> bytes:
    """Left half black, right half blue, as PNG."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[:, side // 2 :, 2] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/static/page.css", "text/css; charset=utf-8"),
        ("/page/static/page.js", "text/javascript; charset=utf-8"),
        ("/page/static/icon.svg", "image/svg+xml"),
        ("/page/samples/ship", "image/jpeg"),
        ("/page/models", "application/json"),
    ],
)
def test_parts_and_their_headers(server: Running, path: str, kind: str) -> None:
    status, headers, content = get(server, path)
    assert (status, headers["content-type"]) == (200, kind)
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert len(content) > 100


def test_nothing_of_the_page_comes_from_elsewhere(server: Running) -> None:
    for path in ("/", "/page/static/page.css", "/page/static/page.js"):
        text = get(server, path)[2].decode()
        assert "https://" not in text
        assert text.count("http://") == text.count("http://www.w3.org/2000/svg")
        assert "innerHTML" not in text
    index = get(server, "/")[2].decode()
    assert "<style" not in index
    assert "style=" not in index
    assert "onclick" not in index


@pytest.mark.parametrize(
    "path", ["/page/static/", "/page/static/nothing", "/page/static/..%2fpage.py", "/page/samples/..%2f..%2fREADME.md"]
)
def test_other_paths_are_not_there(server: Running, path: str) -> None:
    status, _, content = get(server, path)
    assert (status, list(json.loads(content))) == (404, ["error"])


def test_facts_of_the_models(server: Running, engines: dict[str, Path]) -> None:
    document = json.loads(get(server, "/page/models")[2])
    assert document["samples"] == sorted(path.stem for path in (models_folder() / "samples").glob("*.jpg"))
    assert [model["name"] for model in document["models"]] == list(engines)
    masks = {model["name"]: model["versions"][0]["facts"]["masks"] for model in document["models"]}
    assert masks == {"masked": True, "plain": False, "torch": True, "changing": True}
    (version,) = document["models"][0]["versions"]
    rows = dict(version["facts"]["rows"])
    assert (version["version"], version["state"], version["reason"]) == ("1", "ready", "")
    assert (rows["engine"], rows["input"], rows["classes"]) == ("masked.onnx", "uint8 8 × 8 × 3, NHWC", "3")
    assert rows["sha256"] == server.host.metadata("masked").sha256
    assert str(engines["masked"].parent) not in json.dumps(document), "no path of the server is told"


def test_an_answer_has_classes_times_and_masks(server: Running) -> None:
    status, answer = explain(server, "masked", half())
    assert (status, answer["schema"]) == (200, "ran-deploy.page-explain/v1")
    assert answer["top"][0]["label"] == STRANGE[2]
    assert sum(guess["probability"] for guess in answer["top"]) == pytest.approx(1)
    times = answer["times_ms"]
    assert times["total"] >= max(value for name, value in times.items() if name != "total") >= 0
    assert answer["masks_note"] == ""
    assert [(mask["stage"], mask["module"], mask["height"]) for mask in answer["masks"]] == [
        (1, 1, 8),
        (1, 2, 8),
        (2, 1, 4),
    ]
    first = answer["masks"][0]
    assert [first["least"], first["most"]] == pytest.approx([0, 1 / 3], abs=1e-6)
    with Image.open(io.BytesIO(base64.b64decode(first["png"]))) as picture:
        levels = np.asarray(picture)
    assert (picture.mode, levels.shape) == ("L", (8, 8))
    assert (levels[:, :4].max(), levels[:, 4:].min()) == (0, 255)


def test_masks_are_left_out_on_request(server: Running) -> None:
    answer = explain(server, "masked", half(), "?masks=0")[1]
    assert (answer["masks"], answer["masks_note"]) == ([], "")


def test_a_flat_mask_is_black(server: Running) -> None:
    answer = explain(server, "masked", png((9, 9, 9)))[1]
    assert answer["masks"][0]["least"] == answer["masks"][0]["most"]


def test_an_engine_without_masks_says_how_to_get_them(server: Running) -> None:
    status, answer = explain(server, "plain", half())
    assert (status, answer["masks"], answer["masks_note"]) == (200, [], HOW_TO)
    assert answer["top"][0]["label"] == "blue"


def test_a_checkpoint_has_masks_as_it_is(server: Running) -> None:
    answer = explain(server, "torch", half(32))[1]
    assert [(mask["stage"], mask["height"]) for mask in answer["masks"]] == [(1, 32), (2, 16), (3, 8)]
    assert len(answer["top"]) == 5


def test_what_the_page_asks_is_counted_as_everything(server: Running) -> None:
    def count() -> float:
        found = server.metric("requests_total", model="masked", version="1", protocol="http")
        return found or 0.0

    before = count()
    explain(server, "masked", half())
    assert count() == before + 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/page/models/nothing/explain", half(), 404),
        ("/page/models/masked/versions/9/explain", half(), 404),
        ("/page/models/masked/explain", b"", 400),
        ("/page/models/masked/explain", half()[:-30], 400),
        ("/page/models/masked/explain", b"GIF89a" + bytes(50), 400),
        ("/page/models/masked/explain", half(66), 400),  # more pixels than are taken
        ("/page/models/masked/explain", bytes(20_001), 413),
    ],
)
def test_limits_are_those_of_every_request(server: Running, path: str, body: bytes, status: int) -> None:
    found, _, content = get(server, path, body)
    assert (found, list(json.loads(content))) == (status, ["error"])


def test_a_compressed_body_is_refused(server: Running) -> None:
    assert get(server, "/page/models/masked/explain", half(), **{"content-encoding": "gzip"})[0] == 415


def test_masks_of_a_file_that_was_replaced_are_refused(
    server: Running, engines: dict[str, Path], tmp_path: Path
) -> None:
    other = save_masked(tmp_path / "other.onnx")
    other.replace(engines["changing"])
    manifest_path(other).replace(manifest_path(engines["changing"]))
    status, answer = explain(server, "changing", half())
    assert status == 503
    assert "no longer the one that is served" in answer["error"]
    assert explain(server, "changing", half(), "?masks=0")[0] == 200
