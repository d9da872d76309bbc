"""Engines in C++ against Python's sessions: the same pixels, the same logits, the same refusals."""

import json
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from ran_deploy.data.decode import decode_image
from ran_deploy.data.preprocess import load_images, to_engine_input
from ran_deploy.errors import RanDeployError
from ran_deploy.files import sha256_file
from ran_deploy.manifest import manifest_path
from ran_deploy.runtime.batching import run_images
from ran_deploy.runtime.open import Runtime, open_engine
from ran_deploy.runtime.predict import best_guesses
from tests.runtime.conftest import Engines
from tests.serve_cpp.abi import GATE, INTEGRITY, MISSING, USAGE, Failed, Library
from tests.serve_cpp.building import SAMPLES, Built
from tests.serve_cpp.conftest import CLASSES, SIZE, MakeEngine
from tests.unsealed import unsealed

RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")


def _check_golden(built: Built, engine: Path, runtime: Runtime) -> None:
    built.require(runtime, "JPEG")
    logits = np.frombuffer(built.run("test/driver", "logits", engine, runtime, *SAMPLES).stdout, np.float32)
    with open_engine(engine, threads=1, runtime=runtime) as session:
        images = load_images(SAMPLES, session.contract.preprocessing)
        expected = np.concatenate([run_images(session, images[i : i + 1]) for i in range(len(images))])
    assert np.array_equal(logits.reshape(expected.shape), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_golden_logits_of_a_network(built: Built, network: Path, runtime: Runtime) -> None:
    _check_golden(built, network, runtime)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_golden_logits_of_an_exported_network(built: Built, engines: Engines, runtime: Runtime) -> None:
    _check_golden(built, engines.onnx, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "options", [{}, {"dtype": "float32"}, {"resize": None}, {"dtype": "float32", "batch": 3}, {"batch": 2}]
)
def test_every_kind_of_engine(
    built: Built, library: Library, make_engine: MakeEngine, runtime: Runtime, options: dict[str, object]
) -> None:
    built.require(runtime)
    path = make_engine(**options)
    engine = library.open(path, runtime)
    with open_engine(path, threads=1, runtime=runtime) as session:
        fixed = session.contract.input.shape[0]
        batch = [SAMPLES[i % len(SAMPLES)] for i in range(4 if fixed < 0 else fixed)]
        images = load_images(batch, session.contract.preprocessing)
        inputs = to_engine_input(images, session.contract)
        expected = session.run(inputs)
        pixels = [np.asarray(decode_image(sample)) for sample in batch]
        assert np.array_equal(np.stack([library.prepare(engine, one) for one in pixels]), inputs)
        assert np.array_equal(library.run(engine, inputs), expected)
        first = run_images(session, images[:1])
        for got, guess in zip(
            library.classify(engine, pixels[0], 99), best_guesses(first, session.contract.labels, 99)[0], strict=True
        ):
            assert got[:2] == (guess.label, guess.index)
            assert got[2] == pytest.approx(guess.probability, rel=1e-12)
    library.call("engine_close", engine)


def test_what_an_engine_tells(built: Built, library: Library, engine: Path) -> None:
    built.require("onnxruntime")
    handle = library.open(engine, "onnxruntime", threads=2)
    info = library.info(handle)
    assert info.path.decode() == str(engine)
    assert info.sha256.decode() == sha256_file(engine)
    assert (info.runtime, info.device, info.arch) == (b"onnxruntime", b"cpu", b"att56")
    assert (info.threads, info.classes, info.size, info.resize) == (2, CLASSES, SIZE, 30)
    assert tuple(info.input.shape) == (-1, SIZE, SIZE, 3)
    assert (info.output.name, info.output.rank) == (b"logits", 2)
    library.call("engine_close", handle)


def test_a_model_with_masks(built: Built, library: Library, make_engine: MakeEngine) -> None:
    built.require("onnxruntime")
    path = make_engine()
    model = onnx.load(path)
    mask = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["batch", SIZE, SIZE, 3])
    model.graph.output.append(mask)
    plain = library.open(path)
    onnx.save(model, path)
    manifest = unsealed(path)
    manifest["sha256"] = sha256_file(path)
    beside = {"name": "pixels", "dtype": "float32", "shape": [-1, SIZE, SIZE, 3], "layout": "NHW"}
    manifest["contract"]["masks"] = [beside]
    manifest_path(path).write_text(json.dumps(manifest))
    for runtime in RUNTIMES:
        if runtime in built.backends:
            masked = library.open(path, runtime)
            image = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
            assert np.allclose(library.run(masked, image), library.run(plain, image), atol=1e-5)


def test_eight_threads_and_a_close_in_between(built: Built, library: Library, engine: Path) -> None:
    built.require("onnxruntime")
    handle = library.open(engine)
    images = np.random.default_rng(2).integers(0, 256, (8, 1, SIZE, SIZE, 3), dtype=np.uint8)
    expected = [library.run(handle, image) for image in images]
    right = [0] * 8
    meet = threading.Barrier(9)

    def work(place: int) -> None:
        for round_ in range(50):
            image = (place + round_) % 8
            right[place] += int(np.array_equal(library.run(handle, images[image]), expected[image]))
        meet.wait()  # all are done
        meet.wait()  # the engine is closed
        with pytest.raises(Failed, match="closed"):
            library.run(handle, images[0])
        right[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    meet.wait()
    library.call("engine_close", handle)
    meet.wait()
    for thread in threads:
        thread.join()
    assert right == [51] * 8


def test_a_thousand_engines_leave_nothing_behind(built: Built, engine: Path) -> None:
    built.require("onnxruntime", "JPEG")
    before, after = map(
        int, built.run("test/driver", "cycles", engine, "onnxruntime", "1000", SAMPLES[0]).stdout.split()
    )
    assert after - before < 10_000, "kB: ten for each engine, where one that leaked would leave a hundred"


def test_nonsense_is_a_gate(built: Built, library: Library, make_engine: MakeEngine) -> None:
    built.require("onnxruntime")
    handle = library.open(make_engine(scale=1e37))
    with pytest.raises(Failed, match="not finite") as caught:
        library.classify(handle, np.full((40, 40, 3), 200, np.uint8), 1)
    assert caught.value.status == GATE


def _refused_alike(library: Library, path: Path, runtime: Runtime = "onnxruntime") -> Failed:
    """The library's refusal of an engine, which must be Python's: the same sentence and the same code."""
    with pytest.raises(Failed) as caught:
        library.open(path, runtime)
    with pytest.raises(RanDeployError) as expected:
        open_engine(path, runtime=runtime)
    assert (caught.value.status, caught.value.message) == (expected.value.exit_code, expected.value.message)
    return caught.value


def test_refusals_are_pythons(built: Built, library: Library, make_engine: MakeEngine, tmp_path: Path) -> None:
    built.require("onnxruntime")
    _refused_alike(library, tmp_path / "gone.onnx")
    path = make_engine()
    content, described = path.read_bytes(), json.dumps(unsealed(path))
    path.write_bytes(b"")
    _refused_alike(library, path)
    path.write_bytes(content[:-1] + b"x")
    assert _refused_alike(library, path).status == INTEGRITY
    path.write_bytes(content)
    manifest_path(path).write_text(described.replace('"kind": "onnx"', '"kind": "plan"'))
    _refused_alike(library, path)
    manifest_path(path).write_text(described.replace('"labels": [', '"labels": ["one more",'))
    _refused_alike(library, path)
    manifest_path(path).write_text(described.replace('"name": "logits"', '"name": "other"'))
    _refused_alike(library, path)
    manifest_path(path).unlink()
    assert _refused_alike(library, path).status == USAGE


def test_a_file_that_is_no_model(built: Built, library: Library, make_engine: MakeEngine) -> None:
    path = make_engine()
    described = unsealed(path)
    for content in (b"no protobuf at all", b"\x08\x0a"):
        path.write_bytes(content)
        manifest = described | {"sha256": sha256_file(path)}
        manifest_path(path).write_text(json.dumps(manifest))
        for runtime in built.backends:
            with pytest.raises(
                Failed, match=r"means\.onnx is not a whole ONNX model|does not run|has the input"
            ) as caught:
                library.open(path, runtime)
            assert caught.value.status in (INTEGRITY, 4)


def test_a_plan_needs_its_back_end(library: Library, make_engine: MakeEngine) -> None:
    onnx_path = make_engine()
    path = onnx_path.with_suffix(".plan")
    path.write_bytes(b"ptrt" * 20)
    manifest = unsealed(onnx_path) | {"kind": "plan", "sha256": sha256_file(path)}
    manifest_path(path).write_text(json.dumps(manifest))
    with pytest.raises(Failed, match="does not say what built it"):
        library.open(path)
    manifest["build"] = {"flavour": "tensorrt-rtx", "version": "1.7.1.116", "targets": ["sm80"], "gpu": None}
    manifest_path(path).write_text(json.dumps(manifest))
    with pytest.raises(Failed, match="without the back end tensorrt-rtx") as caught:
        library.open(path)
    assert caught.value.status == MISSING
    with pytest.raises(Failed, match="does not run in onnxruntime"):
        library.open(path, "onnxruntime")
