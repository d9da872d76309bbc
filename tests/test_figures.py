import sys
from pathlib import Path

import pytest

from ran_deploy.errors import MissingError, UsageError
from ran_deploy.figures import SUFFIXES, check_figure, save_figure


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    files = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for file in files:
        check_figure(file, "A test")
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], [0, 1], clip_on=True)
        save_figure(figure, file, dpi=50)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first.startswith({".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix])


def test_what_could_not_be_drawn_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"must end in \.svg or \.png or \.pdf"):
        check_figure(tmp_path / "x.jpg", "A test")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        check_figure(tmp_path / "file" / "x.png", "A test")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match="A test needs the package matplotlib"):
        check_figure(tmp_path / "x.png", "A test")
