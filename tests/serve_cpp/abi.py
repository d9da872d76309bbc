"""The C interface through ctypes, as a program in another language would call it."""

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_float, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OK, INTERNAL, USAGE, GATE, INCOMPATIBLE, INTEGRITY, MISSING = range(7)


class Image(Structure):
    _fields_ = (
        ("pixels", c_void_p),
        ("size_bytes", c_size_t),
        ("width", c_uint32),
        ("height", c_uint32),
        ("stride", c_size_t),
    )


class Options(Structure):
    _fields_ = (("struct_size", c_size_t), ("runtime", c_char_p), ("ort_library", c_char_p), ("threads", c_uint32))


class Tensor(Structure):
    _fields_ = (
        ("name", c_char_p),
        ("dtype", c_char_p),
        ("layout", c_char_p),
        ("rank", c_size_t),
        ("shape", c_int64 * 4),
    )


class Info(Structure):
    _fields_ = (
        ("struct_size", c_size_t),
        *((name, c_char_p) for name in ("path", "sha256", "runtime", "runtime_version", "device", "arch")),
        *((name, c_uint32) for name in ("threads", "classes", "size", "resize")),
        ("input", Tensor),
        ("output", Tensor),
    )


class Prediction(Structure):
    _fields_ = (("index", c_uint32), ("probability", c_double), ("label", c_char_p))


class Failed(Exception):  # noqa: N818 - a status, not a name for one
    def __init__(self, status: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.status, self.message, self.fix = status, message, fix


class Library:
    """The functions with their types; :meth:`call` raises :class:`Failed` for a status that is not OK."""

    def __init__(self, path: Path) -> None:
        self.c: Any = ctypes.CDLL(str(path))
        for name in ("ran_last_error", "ran_last_fix", "ran_version", "ran_backends", "ran_formats", "ran_status_name"):
            getattr(self.c, name).restype = c_char_p
        picture = engine = c_void_p
        for name, types in {
            "picture_open": (c_char_p, POINTER(picture)),
            "picture_decode": (c_char_p, c_size_t, POINTER(picture)),
            "picture_view": (picture, POINTER(Image)),
            "picture_close": (picture,),
            "fit": (POINTER(Image), c_uint32, c_uint32, c_void_p, c_size_t),
            "normalize": (
                *(c_void_p, c_size_t, c_size_t, c_uint32),
                *(POINTER(c_float), POINTER(c_float), c_void_p, c_size_t),
            ),
            "engine_open": (c_char_p, POINTER(Options), POINTER(engine)),
            "engine_close": (engine,),
            "engine_info": (engine, POINTER(Info)),
            "engine_label": (engine, c_uint32, POINTER(c_char_p)),
            "engine_classify": (engine, POINTER(Image), c_size_t, POINTER(Prediction), POINTER(c_size_t)),
            "engine_prepare": (engine, POINTER(Image), c_void_p, c_size_t),
            "engine_run": (engine, c_void_p, c_size_t, c_size_t, c_void_p, c_size_t),
        }.items():
            getattr(self.c, f"ran_{name}").argtypes = types

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.c, f"ran_{name}")(*arguments)
        if status != OK:
            raise Failed(status, self.c.ran_last_error().decode(), self.c.ran_last_fix().decode())

    def decode(self, path: Path) -> npt.NDArray[np.uint8]:
        picture, image = c_void_p(), Image()
        self.call("picture_open", str(path).encode(), byref(picture))
        try:
            self.call("picture_view", picture, byref(image))
            return np.frombuffer(ctypes.string_at(image.pixels, image.size_bytes), np.uint8).reshape(
                image.height, image.width, 3
            )
        finally:
            self.call("picture_close", picture)

    def open(self, path: Path, runtime: str = "auto", threads: int = 1) -> c_void_p:
        engine = c_void_p()
        options = Options(ctypes.sizeof(Options), runtime.encode(), None, threads)
        self.call("engine_open", str(path).encode(), byref(options), byref(engine))
        return engine

    def info(self, engine: c_void_p) -> Info:
        info = Info(struct_size=ctypes.sizeof(Info))
        self.call("engine_info", engine, byref(info))
        return info

    def run(self, engine: c_void_p, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        logits = np.empty((len(batch), self.info(engine).classes), np.float32)
        data = np.ascontiguousarray(batch)
        self.call("engine_run", engine, data.ctypes.data, data.nbytes, len(batch), logits.ctypes.data, logits.nbytes)
        return logits

    def prepare(self, engine: c_void_p, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        info = self.info(engine)
        tensor = np.empty(tuple(info.input.shape)[1:], info.input.dtype.decode())
        self.call("engine_prepare", engine, byref(view(pixels)), tensor.ctypes.data, tensor.nbytes)
        return tensor

    def classify(self, engine: c_void_p, pixels: npt.NDArray[np.uint8], k: int) -> list[tuple[str, int, float]]:
        found, count = (Prediction * k)(), c_size_t()
        self.call("engine_classify", engine, byref(view(pixels)), k, found, byref(count))
        return [(one.label.decode(), one.index, one.probability) for one in found[: count.value]]


def view(pixels: npt.NDArray[np.uint8]) -> Image:
    """Return an image that looks at an array [height, width, 3], which must outlive it."""
    return Image(pixels.ctypes.data, pixels.nbytes, pixels.shape[1], pixels.shape[0], 0)
