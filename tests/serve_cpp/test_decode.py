"""Image files decoded in C++ against Pillow."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ran_deploy.data.decode import decode_image
from ran_deploy.errors import IntegrityError, UsageError
from tests.serve_cpp.abi import INTEGRITY, MISSING, USAGE, Failed, Library
from tests.serve_cpp.building import SAMPLES, Built


@pytest.fixture(autouse=True)
def decoders(built: Built) -> None:
    built.require("JPEG", "PNG")


def _same(library: Library, path: Path) -> bool:
    return np.array_equal(library.decode(path), np.asarray(decode_image(path)))


def test_every_kind_of_file_equals_pillows(library: Library, pictures: list[Path]) -> None:
    assert len(pictures) == 13
    for path in (*pictures, *SAMPLES):
        assert _same(library, path), path.name


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
def test_interlaced_and_odd_sizes(library: Library, tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (13, 7, 3), dtype=np.uint8)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 99)
    image = deep if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "image.png")
    assert _same(library, tmp_path / "image.png")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_orientation(library: Library, tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    image.save(tmp_path / f"image.{suffix}", exif=exif)
    assert _same(library, tmp_path / f"image.{suffix}")
    xmp = f'<rdf:Description tiff:Orientation="{orientation}"/>'
    if suffix == "jpg":
        image.save(tmp_path / "xmp.jpg", xmp=xmp.encode())
    else:
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp)
        image.save(tmp_path / "xmp.png", pnginfo=info)
    assert _same(library, tmp_path / f"xmp.{suffix}")


def _tiff(order: str, *entries: tuple[int, int, int, bytes]) -> bytes:
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(struct.pack(f"{order}HHI4s", *entry) for entry in entries) + bytes(4)


_BIG, _LITTLE = struct.pack(">HH", 6, 0), struct.pack("<HH", 6, 0)


@pytest.mark.parametrize(
    "exif",
    [
        _tiff(">", (0x0112, 3, 1, _BIG)),
        _tiff("<", (0x0112, 3, 1, _LITTLE)),
        _tiff("<", (0x0112, 4, 1, struct.pack("<I", 8))),
        _tiff("<", (0x0112, 1, 1, b"\6\0\0\0")),  # of a type that is no number for Pillow
        _tiff("<", (0x0112, 3, 2, struct.pack("<HH", 6, 6))),
        _tiff("<", (0x0112, 3, 0, _LITTLE), (0x0112, 3, 1, _LITTLE)),
        _tiff("<", (0x0112, 3, 3, struct.pack("<I", 26))) + struct.pack("<HHH", 8, 1, 1),
        _tiff("<", (0x0112, 3, 3, struct.pack("<I", 26))) + struct.pack("<H", 8),
        _tiff("<", (0x0100, 3, 1, _LITTLE), (0x0112, 3, 1, _LITTLE), (0x0112, 3, 1, struct.pack("<HH", 3, 0))),
        _tiff("<", (0x0112, 3, 1, _LITTLE))[:-12],
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0",
    ],
)
def test_odd_exif(library: Library, tmp_path: Path, exif: bytes) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    image.save(tmp_path / "image.jpg", exif=exif)
    assert _same(library, tmp_path / "image.jpg")


def _refusal(library: Library, path: Path) -> Failed:
    with pytest.raises(Failed) as caught:
        library.decode(path)
    assert caught.value.message.startswith((str(path), f"The image {path}"))
    return caught.value


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_truncated_files_are_refused_as_in_python(
    library: Library, pictures: list[Path], tmp_path: Path, share: float
) -> None:
    for path in pictures:
        content = path.read_bytes()
        cut = tmp_path / path.name
        cut.write_bytes(content[: int(len(content) * share)])
        try:
            decode_image(cut)
        except IntegrityError:
            assert _refusal(library, cut).status == INTEGRITY, path.name
        else:  # only metadata was cut off
            assert _same(library, cut), path.name


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_bombs_are_refused_with_pythons_sentence(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    for width, height in ((9000, 9000), (1, 1 << 30), ((1 << 31) - 1, (1 << 31) - 1)):
        path.write_bytes(_png(width, height))
        assert _refusal(library, path).status == USAGE
    path.write_bytes(_png(9000, 9000))
    with pytest.raises(UsageError) as caught:
        decode_image(path)
    assert _refusal(library, path).message == caught.value.message


def test_a_jpeg_that_promises_too_much(library: Library, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)
    (tmp_path / "bomb.jpg").write_bytes(content)
    assert _refusal(library, tmp_path / "bomb.jpg").status == USAGE
    content[frame + 5 : frame + 9] = struct.pack(
        ">HH", 4000, 4000
    )  # libjpeg makes up what is missing before the end marker
    (tmp_path / "bomb.jpg").write_bytes(content)
    assert _same(library, tmp_path / "bomb.jpg")
    (tmp_path / "bomb.jpg").write_bytes(content[:-2])  # no end marker
    assert _refusal(library, tmp_path / "bomb.jpg").status == INTEGRITY


def test_other_files(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a and more")
    assert "JPEG, PNG" in _refusal(library, tmp_path / "a.gif").message
    (tmp_path / "empty.png").touch()
    assert _refusal(library, tmp_path / "empty.png").status == INTEGRITY
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(Failed) as caught:
            library.decode(path)
        assert caught.value.status == USAGE
    assert MISSING == 6
