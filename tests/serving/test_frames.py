import pytest

from ran_deploy.errors import IntegrityError, RanDeployError
from ran_deploy.serving.frames import Frame, Kind, Unpacker, describe, pack, revive

FRAMES = [
    Frame(Kind.OPEN, body={"spec": {"name": "é"}, "threads": None}),
    Frame(Kind.RUN, slot=1, images=70_000),
    Frame(Kind.DONE),
]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_come_out_as_they_went_in_however_they_are_cut(size: int) -> None:
    stream = b"".join(map(pack, FRAMES))
    unpacker = Unpacker()
    found = [frame for start in range(0, len(stream), size) for frame in unpacker.feed(stream[start : start + size])]
    assert found == FRAMES


@pytest.mark.parametrize(
    "stream", [b"\x09" + bytes(11), b"\x01" + bytes(7) + b"\xff\xff\xff\xff", pack(FRAMES[0])[:12] + b"{" * 99]
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError):
        Unpacker().feed(stream)


def test_errors_keep_their_kind_and_words() -> None:
    error = IntegrityError("It is cut.", fix="Make it again.", details={"bytes": 3})
    back = revive(describe(error))
    assert type(back) is IntegrityError
    assert (back.message, back.fix, back.details) == (error.message, error.fix, error.details)


def test_foreign_errors_become_internal_ones() -> None:
    back = revive(describe(ValueError("odd")))
    assert type(back) is RanDeployError
    assert back.message == "The engine failed: ValueError: odd"
    assert type(revive({"type": "SystemExit", "message": "no"})) is RanDeployError
