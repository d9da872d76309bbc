"""The plan's header."""

import pytest

from ran_deploy.errors import IntegrityError
from ran_deploy.runtime.plan_header import read_header

# The first 40 bytes of plans that TensorRT-RTX 1.7.1.116 wrote: default targets, and sm86 with sm89.
DEFAULT = bytes.fromhex(
    "7674727400000000 0200000000000000 d4bf2b0000000000 0107017476747274 7e00000000000000".replace(" ", "")
)
CHOSEN = DEFAULT[:32] + b"\x0c" + DEFAULT[33:]


def test_the_default_targets_reach_further() -> None:
    header = read_header(DEFAULT)
    assert header.version == "1.7.1.116"
    assert header.targets == ("sm80", "sm86", "sm89", "sm120", "sm121+")


def test_chosen_targets() -> None:
    assert read_header(CHOSEN).targets == ("sm86", "sm89")


@pytest.mark.parametrize("damaged", [b"", DEFAULT[:20], b"PK\x03\x04" + DEFAULT[4:]])
def test_other_files_are_refused(damaged: bytes) -> None:
    with pytest.raises(IntegrityError, match="TensorRT plan"):
        read_header(damaged)
