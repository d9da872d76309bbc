import pytest

from ran_deploy import progress


def test_plain_lines_when_not_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr("ran_deploy.progress.time.monotonic", lambda: next(clock))
    with progress.Progress("train", 1000, "images") as bar:
        for _ in range(4):
            bar.advance(100, "loss 1.0")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "train · 20% · 3 min left · 5.0 images/s · loss 1.0",
        "train · 40% · 2 min left · 5.0 images/s · loss 1.0",
    ]


def test_nothing_for_short_work(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress("x", 10, "bytes") as bar:
        bar.advance(10)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "text"), [(3, "3 s"), (59.4, "59 s"), (90, "2 min"), (7500, "2 h 5 min")])
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
