"""CIFAR in both official layouts, and files that are damaged or forged."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ran_deploy.data.cifar import find_cifar, load_cifar
from ran_deploy.errors import IntegrityError, UsageError

Pixels = npt.NDArray[np.uint8]


def _pixels(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def _text(value: bytes) -> bytes:
    """A Python 2 string: SHORT_BINSTRING or BINSTRING."""
    return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _python2_batch(pixels: Pixels, labels: list[int], key: bytes) -> bytes:
    """Write opcode by opcode what Python 2's cPickle wrote for the official batches (protocol 2)."""
    dtype = b"cnumpy\ndtype\n" + _text(b"u1") + _number(0) + _number(1) + b"\x87R"
    dtype += b"(" + _number(3) + _text(b"|") + b"NNN" + _number(-1) + _number(-1) + _number(0) + b"tb"
    shape = _number(pixels.shape[0]) + _number(pixels.shape[1]) + b"\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + _number(0) + b"\x85" + _text(b"b")
    array += b"\x87R" + b"(" + _number(1) + shape + dtype + b"\x89" + _text(pixels.tobytes()) + b"tb"
    listed = b"](" + b"".join(_number(label) for label in labels) + b"e"
    items = _text(b"batch_label") + _text(b"training batch 1 of 5") + _text(key) + listed + _text(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def _python_layout(folder: Path, write: Callable[[Pixels, list[int]], bytes]) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")):
        (folder / name).write_bytes(write(_pixels(3, seed), [seed, 1, 9]))
    return folder


def test_binary_layout(tmp_path: Path, make_cifar10: Callable[..., Path]) -> None:
    folder = make_cifar10(tmp_path / "cifar-10-batches-bin")
    raw = (folder / "test_batch.bin").read_bytes()
    for root in (tmp_path, folder):
        test = load_cifar("cifar10", root, "test")
        assert (len(test), len(load_cifar("cifar10", root, "train"))) == (4, 20)
        assert test.targets[0] == raw[0]
        # Planes of red, green, blue, each row by row.
        assert test.images[0, 5, 7].tolist() == [raw[1 + plane * 1024 + 5 * 32 + 7] for plane in range(3)]
        assert test.labels[3] == "cat"
    assert find_cifar("cifar10", tmp_path) == folder
    assert find_cifar("cifar100", tmp_path) is None


def test_cifar100_takes_the_fine_label(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    pixels = _pixels(2)
    rows = b"".join(bytes([19, fine]) + image.tobytes() for fine, image in zip((99, 0), pixels, strict=True))
    for name in ("train.bin", "test.bin"):
        (folder / name).write_bytes(rows)
    assert load_cifar("cifar100", tmp_path, "train").labels[99] == "99"
    (folder / "fine_label_names.txt").write_text("\n".join(f"fine_{place}" for place in range(100)))
    data = load_cifar("cifar100", tmp_path, "test")
    assert data.targets.tolist() == [99, 0]
    assert data.labels[99] == "fine_99"
    assert np.array_equal(data.images[1].transpose(2, 0, 1).ravel(), pixels[1])


def test_files_that_python_2_wrote(tmp_path: Path) -> None:
    _python_layout(tmp_path / "cifar-10-batches-py", lambda pixels, labels: _python2_batch(pixels, labels, b"labels"))
    train, test = (load_cifar("cifar10", tmp_path, split) for split in ("train", "test"))
    assert train.targets.tolist() == [0, 1, 9, 1, 1, 9, 2, 1, 9, 3, 1, 9, 4, 1, 9]
    assert np.array_equal(test.images[2].transpose(2, 0, 1).ravel(), _pixels(3, 5)[2])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_that_python_3_wrote(tmp_path: Path, protocol: int) -> None:
    _python_layout(
        tmp_path / "cifar-10-batches-py",
        lambda pixels, labels: pickle.dumps({b"data": pixels, "labels": labels}, protocol),
    )
    assert load_cifar("cifar10", tmp_path, "test").targets.tolist() == [5, 1, 9]


def test_numpy_2_names_its_module_otherwise(tmp_path: Path) -> None:
    def write(pixels: Pixels, labels: list[int]) -> bytes:
        return _python2_batch(pixels, labels, b"labels").replace(b"numpy.core.", b"numpy._core.")

    _python_layout(tmp_path / "cifar-10-batches-py", write)
    assert len(load_cifar("cifar10", tmp_path, "test")) == 3


def test_cifar100_python_layout(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / name).write_bytes(_python2_batch(_pixels(2), [42, 7], b"fine_labels"))
    names = b"".join(_text(b"fine_%d" % place) for place in range(100))
    (folder / "meta").write_bytes(b"\x80\x02}" + _text(b"fine_label_names") + b"](" + names + b"es.")
    data = load_cifar("cifar100", tmp_path, "train")
    assert [data.labels[target] for target in data.targets] == ["fine_42", "fine_7"]
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [3] * 100}))
    with pytest.raises(IntegrityError, match="does not name 100 classes"):
        load_cifar("cifar100", tmp_path, "train")


def _calls(reference: bytes, argument: str) -> bytes:
    return b"\x80\x02c" + reference + b"\nX" + struct.pack("<I", len(argument)) + argument.encode() + b"\x85R."


@pytest.mark.parametrize("reference", [b"os\nsystem", b"posix\nsystem", b"builtins\neval", b"__builtin__\neval"])
@pytest.mark.parametrize("nested", [False, True])
def test_forged_pickles_run_nothing(tmp_path: Path, reference: bytes, nested: bool) -> None:
    witness = tmp_path / "witness"
    forged = _calls(
        reference,
        f"__import__('pathlib').Path({str(witness)!r}).touch()" if b"eval" in reference else f"touch {witness}",
    )
    if nested:  # as a value inside a table that looks right
        forged = b"\x80\x02}(" + _text(b"labels") + forged[2:-1] + b"u."
    _python_layout(tmp_path / "cifar-10-batches-py", lambda *_: forged)
    with pytest.raises(IntegrityError, match="which no CIFAR file contains"):
        load_cifar("cifar10", tmp_path, "test")
    assert not witness.exists()
    pickle.loads(forged)  # without the guard it does run: the test would see it
    assert witness.exists()


def test_a_state_that_ends_numpy_itself(tmp_path: Path) -> None:
    """Two values less in the dtype's state: numpy's own reader of pickles then ends the process (found by fuzzing)."""
    whole = pickle.dumps({"data": _pixels(2), "labels": [1, 2]}, 2)
    unknown = b"J\xff\xff\xff\xff"
    forged = whole.replace(b"NNN" + 2 * unknown, b"N" + 2 * unknown)
    assert forged != whole
    _python_layout(tmp_path / "cifar-10-batches-py", lambda *_: forged)
    assert len(load_cifar("cifar10", tmp_path, "test").targets) == 2


def test_codecs_only_decode_latin1(tmp_path: Path) -> None:
    forged = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    _python_layout(tmp_path / "cifar-10-batches-py", lambda *_: forged)
    with pytest.raises(IntegrityError, match="encodes text as rot13"):
        load_cifar("cifar10", tmp_path, "test")


@pytest.mark.parametrize(
    "content",
    [
        b"not a pickle",
        _python2_batch(_pixels(2), [1, 2], b"labels")[:-700],
        pickle.dumps([1, 2]),
        pickle.dumps({}),
        pickle.dumps({"data": _pixels(2), "labels": [1]}),
        pickle.dumps({"data": _pixels(0), "labels": []}),
        pickle.dumps({"data": _pixels(2)[:, :3000], "labels": [1, 2]}),
        pickle.dumps({"data": _pixels(2).astype(np.int32), "labels": [1, 2]}),
        pickle.dumps({"data": np.array([b"x", b"y"], object), "labels": [1, 2]}),
        pickle.dumps({"data": _pixels(2), "labels": [1, "2"]}),
        pickle.dumps({"data": _pixels(2), "labels": [1, 10]}),
        pickle.dumps({"data": _pixels(2), "labels": [1, 10**30]}),
        pickle.dumps({"data": _pixels(2), "labels": [1, -1]}),
        pickle.dumps({b"\xff": _pixels(2)}),
        b"",
    ],
)
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    folder = _python_layout(tmp_path / "cifar-10-batches-py", lambda *_: content)
    with pytest.raises(IntegrityError, match=str(folder / "test_batch")):
        load_cifar("cifar10", tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (bytes(3072), "truncated"),
        (bytes(3073 * 2 + 1), "truncated"),
        (bytes([10]) + bytes(3072), "label 10; expected 0 to 9"),
    ],
)
def test_damaged_binaries(tmp_path: Path, make_cifar10: Callable[..., Path], content: bytes, message: str) -> None:
    folder = make_cifar10(tmp_path / "cifar-10-batches-bin")
    (folder / "test_batch.bin").write_bytes(content)
    with pytest.raises(IntegrityError, match=message) as caught:
        load_cifar("cifar10", tmp_path, "test")
    assert str(folder / "test_batch.bin") in caught.value.message


def test_names_of_another_dataset(tmp_path: Path, make_cifar10: Callable[..., Path]) -> None:
    folder = make_cifar10(tmp_path / "cifar-10-batches-bin")
    (folder / "batches.meta.txt").write_text("one\ntwo\n")
    with pytest.raises(IntegrityError, match="does not name 10 classes"):
        load_cifar("cifar10", tmp_path, "test")


def test_an_incomplete_folder_is_named(tmp_path: Path, make_cifar10: Callable[..., Path]) -> None:
    folder = make_cifar10(tmp_path / "cifar-10-batches-bin")
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(UsageError, match="cifar-10-batches-bin or cifar-10-batches-py") as caught:
        load_cifar("cifar10", tmp_path, "test")
    assert caught.value.fix.endswith(f"fetch it there: ran-deploy data cifar10 --root {tmp_path}")
