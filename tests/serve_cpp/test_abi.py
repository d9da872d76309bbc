"""Calls that make no sense: refused with a sentence, whatever they pass."""

import ctypes
import random
import re
import subprocess
from ctypes import byref, c_char_p, c_size_t, c_uint32, c_void_p
from pathlib import Path

import numpy as np
import pytest

import ran_deploy
from tests.serve_cpp.abi import OK, USAGE, Failed, Image, Info, Library, Options, Prediction, view
from tests.serve_cpp.building import SOURCES, Built
from tests.serve_cpp.conftest import CLASSES, SIZE

PIXELS = np.zeros((8, 8, 3), np.uint8)


def _refused(library: Library, name: str, *arguments: object) -> str:
    with pytest.raises(Failed) as caught:
        library.call(name, *arguments)
    assert caught.value.status == USAGE, caught.value.message
    return caught.value.message


def test_versions_and_names(library: Library) -> None:
    header = (SOURCES / "include" / "ran_deploy" / "ran_deploy.h").read_text()
    assert library.c.ran_abi_version() == int(re.search(r"RAN_ABI_VERSION (\d+)", header)[1])  # type: ignore[index]
    assert library.c.ran_version().decode() == ran_deploy.__version__
    names = [library.c.ran_status_name(status).decode() for status in range(8)]
    assert names == ["ok", "internal", "usage", "gate", "incompatible", "integrity", "missing", "unknown"]


def test_only_the_interface_is_exported(built: Built) -> None:
    said = subprocess.run(["nm", "-D", "--defined-only", built.library], capture_output=True, text=True, check=True)
    names = {line.split()[-1] for line in said.stdout.splitlines()}
    header = (SOURCES / "include" / "ran_deploy" / "ran_deploy.h").read_text()
    declared = set(re.findall(r"RAN_API [a-z_0-9 ]+\*?(ran_\w+)\(", header))
    assert names - {"RAN_DEPLOY_1"} == {f"{name}@@RAN_DEPLOY_1" for name in declared}
    assert len(declared) == 20


def test_null_everywhere(library: Library) -> None:
    image, picture, engine, count = view(PIXELS), c_void_p(), c_void_p(), c_size_t()
    found, label = (Prediction * 1)(), c_char_p()
    assert _refused(library, "picture_open", None, byref(picture)) == "path is null."
    _refused(library, "picture_open", b"x", None)
    _refused(library, "picture_decode", None, 10, byref(picture))
    _refused(library, "picture_decode", b"x", 1, None)
    _refused(library, "picture_view", None, byref(image))
    _refused(library, "picture_view", picture, None)
    _refused(library, "fit", None, 0, 4, PIXELS.ctypes.data, 48)
    _refused(library, "fit", byref(Image(None, 48, 4, 4, 0)), 0, 4, PIXELS.ctypes.data, 48)
    _refused(library, "fit", byref(image), 0, 4, None, 48)
    _refused(library, "normalize", None, 0, 0, 1, None, None, None, 0)
    _refused(library, "engine_open", None, None, byref(engine))
    _refused(library, "engine_open", b"x.onnx", None, None)
    _refused(library, "engine_info", None, byref(Info(struct_size=ctypes.sizeof(Info))))
    _refused(library, "engine_info", None, None)
    _refused(library, "engine_label", None, 0, byref(label))
    _refused(library, "engine_label", None, 0, None)
    for arguments in (
        (byref(image), 1, found, byref(count)),
        (None, 1, found, byref(count)),
        (byref(image), 1, None, byref(count)),
        (byref(image), 1, found, None),
    ):
        _refused(library, "engine_classify", None, *arguments)
    _refused(library, "engine_prepare", None, byref(image), PIXELS.ctypes.data, 1)
    _refused(library, "engine_run", None, PIXELS.ctypes.data, 1, 1, PIXELS.ctypes.data, 1)
    library.call("engine_close", None)
    library.call("picture_close", None)


def test_closed_and_invented_handles(built: Built, library: Library, engine: Path) -> None:
    built.require("onnxruntime")
    first = library.open(engine)
    library.call("engine_close", first)
    assert "closed" in _refused(library, "engine_close", first)
    again = library.open(engine)
    assert again.value != first.value, "handles are never used twice"
    info = Info(struct_size=ctypes.sizeof(Info))
    for handle in (first, c_void_p(PIXELS.ctypes.data), c_void_p(2**64 - 1), c_void_p(12345678)):
        assert "closed, or is none" in _refused(library, "engine_info", handle, byref(info))
        assert "closed, or is none" in _refused(library, "picture_close", handle)
    assert "closed, or is none" in _refused(library, "picture_close", again), "an engine is no picture"
    library.call("engine_close", again)


def test_wrong_sizes(built: Built, library: Library, engine: Path) -> None:
    built.require("onnxruntime")
    handle = library.open(engine)
    one = SIZE * SIZE * 3
    batch, logits = np.zeros(3 * one, np.uint8), np.full(3 * CLASSES + 1, 7, np.float32)
    data, out = batch.ctypes.data, logits.ctypes.data
    row = CLASSES * 4
    for size, count, room in (
        *((one - 1, 1, row), (one + 1, 1, row), (one, 2, row), (0, 1, row), (one, 0, row), (0, 0, 0)),
        *((one, 1, row - 1), (one, 1, 2 * row), (2 * one, 2, row), (one, 1, 0)),
        *((one, 2**64 - 1, row), (2**64 - 1, 2**64 - 1, 2**64 - 1), (one, 2**61, row), (one, 1, 2**64 - 1)),
    ):
        _refused(library, "engine_run", handle, data, size, count, out, room)
    assert "multiple of 4" in _refused(library, "engine_run", handle, data, one, 1, out + 1, row)
    library.call("engine_run", handle, data, 3 * one, 3, out, 3 * row)
    assert logits[-1] == 7, "nothing is written behind the buffer"
    image = view(PIXELS)
    for room in (0, one - 1, one + 1, 2**64 - 1):
        _refused(library, "engine_prepare", handle, byref(image), data, room)
        _refused(library, "fit", byref(image), 0, SIZE, data, room)
    found, written = (Prediction * 1)(), c_size_t(9)
    assert "at least 1" in _refused(library, "engine_classify", handle, byref(image), 0, found, byref(written))
    _refused(library, "engine_label", handle, CLASSES, byref(c_char_p()))
    for struct_size in (0, 8, ctypes.sizeof(Info) + 8, 2**64 - 1):
        assert "bytes; expected" in _refused(library, "engine_info", handle, byref(Info(struct_size=struct_size)))
    opened = c_void_p()
    for options in (
        Options(0, None, None, 0),
        Options(999, None, None, 0),
        Options(ctypes.sizeof(Options), None, None, 5000),
    ):
        _refused(library, "engine_open", str(engine).encode(), byref(options), byref(opened))
    assert opened.value is None
    library.call("engine_close", handle)


@pytest.mark.parametrize(
    ("size", "width", "height", "stride"),
    [
        *((191, 8, 8, 0), (192, 0, 8, 0), (192, 8, 0, 0), (192, 8, 8, 23), (192, 8, 8, 25), (0, 1, 1, 0)),
        *((2**64 - 1, 2**32 - 1, 2**32 - 1, 0), (192, 2**32 - 1, 1, 0), (192, 1, 2**32 - 1, 2**63), (192, 8, 9, 24)),
        *((192, 8, 8, 2**64 - 1), (192, 1, 3, 2**63)),
    ],
)
def test_images_that_do_not_fit_their_buffer(library: Library, size: int, width: int, height: int, stride: int) -> None:
    out = np.zeros(48, np.uint8)
    _refused(library, "fit", byref(Image(PIXELS.ctypes.data, size, width, height, stride)), 0, 4, out.ctypes.data, 48)


def test_a_stride_skips_what_is_between_the_rows(library: Library) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (9, 20, 3), dtype=np.uint8)
    part, whole, cut = wide[:, 4:15], np.zeros((6, 6, 3), np.uint8), np.zeros((6, 6, 3), np.uint8)
    size = 8 * 60 + 33  # the last row has no gap after it
    library.call("fit", byref(Image(part.ctypes.data, size, 11, 9, 60)), 0, 6, cut.ctypes.data, cut.nbytes)
    packed = np.ascontiguousarray(part)
    library.call("fit", byref(view(packed)), 0, 6, whole.ctypes.data, whole.nbytes)
    assert np.array_equal(whole, cut)


def test_sizes_drawn_at_random_never_crash(library: Library) -> None:
    draw = random.Random(11)
    edges = (0, 1, 2, 7, 8, 9, 24, 192, 8192, 8193, 2**20, 2**20 + 1, 2**31, 2**32 - 1)
    out = np.zeros(3 * 32 * 32, np.uint8)
    accepted = 0
    for _ in range(3000):
        width, height, resize, size = (draw.choice((*edges, draw.randrange(40))) for _ in range(4))
        image = Image(
            PIXELS.ctypes.data,
            draw.choice((192, draw.randrange(193))),
            width,
            height,
            draw.choice((0, 0, draw.choice(edges))),
        )
        status = library.c.ran_fit(
            byref(image), c_uint32(resize), c_uint32(size), out.ctypes.data, min(3 * size * size, out.nbytes)
        )
        assert status in (OK, USAGE)
        accepted += status == OK
    assert accepted > 20


def test_errors_belong_to_their_thread(library: Library) -> None:
    import threading

    _refused(library, "picture_open", None, None)
    here = library.c.ran_last_error()
    other = []
    thread = threading.Thread(target=lambda: other.append(library.c.ran_last_error()))
    thread.start()
    thread.join()
    assert here
    assert other == [b""]


def test_a_long_reason_is_cut_between_characters(library: Library) -> None:
    message = _refused(library, "picture_open", ("ü" * 2000).encode(), byref(c_void_p()))
    assert message.startswith("The image üüü")
    assert 1000 < len(message.encode()) < 1024
