"""The same content is the same bytes, in any process, and reads back as it was."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ran_deploy.arch.tensor_file import check_tensors, save_tensors
from ran_deploy.errors import IntegrityError

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3).T,
    "a": torch.tensor([1, -2], dtype=torch.int64),
    "c": torch.zeros(0, dtype=torch.float16),
}
METADATA = {"zeta": "é “quoted”", "alpha": "1", "info": "{}"}


def test_it_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, TENSORS, METADATA)
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in TENSORS.items()
    )
    with safe_open(path, framework="pt") as stored:
        assert stored.metadata() == METADATA


@pytest.mark.parametrize("order", [METADATA, dict(reversed(METADATA.items()))])
def test_every_process_writes_the_same_bytes(order: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "here.safetensors"
    save_tensors(path, TENSORS, METADATA)
    script = (
        "import sys, torch; from pathlib import Path; from tests.arch.test_tensor_file import TENSORS;"
        "from ran_deploy.arch.tensor_file import save_tensors;"
        f"[save_tensors(Path(sys.argv[1]) / f'{{n}}', TENSORS, {order!r}) for n in range(8)]"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=True)
    digests = {hashlib.sha256((tmp_path / str(number)).read_bytes()).hexdigest() for number in range(8)}
    assert digests == {hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_sealed_file_shows_every_change(tmp_path: Path) -> None:
    path = tmp_path / "sealed.safetensors"
    save_tensors(path, TENSORS, METADATA, seal=True)
    content = path.read_bytes()
    assert check_tensors(content, "it", known=METADATA).items() > METADATA.items()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        try:
            assert check_tensors(bytes(damaged), "it", known=METADATA) == check_tensors(content, "it", known=METADATA)
        except (IntegrityError, ValueError):
            continue
        assert chr(content[place]) == " ", "padding of the header is all that may change"
    for length in range(len(content)):
        with pytest.raises((IntegrityError, ValueError)):
            check_tensors(content[:length], "it", known=METADATA)


def test_a_file_without_a_seal_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_tensors(path, TENSORS, METADATA)
    assert check_tensors(path.read_bytes(), "it", known=METADATA) == METADATA
