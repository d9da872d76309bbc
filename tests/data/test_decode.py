"""Image files of every kind that users have, and those that attackers send."""

import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.data.decode import decode_image, to_rgb
from ran_deploy.errors import IntegrityError, UsageError


def _png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def _pixel(path: Path) -> list[int]:
    image = decode_image(path)
    assert image.mode == "RGB"
    return list(image.getpixel((0, 0)))  # type: ignore[arg-type]


def test_modes_become_rgb(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    for image, expected in (
        (Image.new("L", (4, 4), 77), [77, 77, 77]),
        (Image.new("LA", (4, 4), (77, 10)), [77, 77, 77]),
        (Image.new("1", (4, 4), 1), [255, 255, 255]),
        (Image.new("RGBA", (4, 4), (1, 2, 3, 0)), [1, 2, 3]),
        (Image.fromarray(np.full((4, 4), 0x4D80, np.uint16)), [0x4D, 0x4D, 0x4D]),
        (Image.fromarray(np.full((4, 4), 0xFFFF, np.uint16)), [255, 255, 255]),
    ):
        image.save(path)
        assert _pixel(path) == expected, image.mode


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "image.jpg", quality=100)
    assert np.allclose(_pixel(tmp_path / "image.jpg"), [0, 255, 255], atol=3)


def test_palette_with_transparency_is_quiet(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "image.png", transparency=bytes([0, 128]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _pixel(tmp_path / "image.png") == [10, 20, 30]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    frames[0].save(tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    assert _pixel(tmp_path / "image.gif") == [250, 0, 0]


@pytest.mark.parametrize("suffix", ["bmp", "gif", "jpg", "png", "ppm", "webp"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / f"image.{suffix}")
    assert np.allclose(_pixel(tmp_path / f"image.{suffix}"), [200, 100, 50], atol=4)


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    # A camera stores the upright picture turned; each entry is the turn that it says it made.
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = (255, 0, 0)
    upright[16:, 32:] = (0, 0, 255)
    stored = Image.fromarray(upright)
    if orientation in turns:
        stored = stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"image.{suffix}", exif=exif)
    decoded = decode_image(tmp_path / f"image.{suffix}")
    assert np.abs(np.asarray(decoded).astype(int) - upright).mean() < 4
    assert np.array_equal(np.asarray(to_rgb(decoded)), np.asarray(decoded)), "applied once only"


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "image.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert np.allclose(_pixel(tmp_path / "image.jpg"), 9, atol=2)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "jpg", "png", "ppm", "webp"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    for share in (0.03, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(IntegrityError, match="image"):
            decode_image(path)


@pytest.mark.parametrize("content", [b"hello, this is text", b"\xff\xd8\xff", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_files_that_are_no_images(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.jpg").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"image\.jpg"):
        decode_image(tmp_path / "image.jpg")


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        decode_image(tmp_path / "gone.png")
    with pytest.raises(UsageError, match="is a folder"):
        decode_image(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(IntegrityError, match="empty"):
        decode_image(tmp_path / "empty.png")


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (11_000, 11_000), (60_000, 60_000), (1, 1 << 30)])
def test_bombs_are_refused_before_decoding(tmp_path: Path, width: int, height: int) -> None:
    # No pixels follow: had they been asked for, the error would be that the file is truncated.
    (tmp_path / "bomb.png").write_bytes(_png_header(width, height))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match=r"bomb\.png.*67108864 are read"):
            decode_image(tmp_path / "bomb.png")


def test_floating_point_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "image.ppm").write_bytes(b"Pf\n1 1\n-1.0\n" + struct.pack("<f", 0.5))
    with pytest.raises(UsageError, match=r"image\.ppm: floating-point"):
        decode_image(tmp_path / "image.ppm")


def test_threads_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "image.png", transparency=bytes([0, 128]))
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [decode_image(tmp_path / "image.png") for _ in range(20)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
