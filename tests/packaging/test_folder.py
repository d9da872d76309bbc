"""Package folders are whole or absent, and take the place of packages only."""

from pathlib import Path

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.files import umask
from ran_deploy.packaging.folder import list_files, new_folder
from ran_deploy.packaging.record import RECORD


def make(out: Path, content: str, *, force: bool = False) -> None:
    with new_folder(out, force=force) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text(content)
        (folder / RECORD).write_text("{}")


def test_a_new_folder_and_one_in_its_place(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    make(out, "first")
    assert (out / "inner" / "file").read_text() == "first"
    assert out.stat().st_mode & 0o777 == 0o777 & ~umask()
    with pytest.raises(UsageError, match="is a package already"):
        make(out, "second")
    make(out, "second", force=True)
    assert (out / "inner" / "file").read_text() == "second"
    assert [path.name for path in out.parent.iterdir()] == ["out"], "nothing is left beside it"


def test_an_empty_folder_gives_way_and_anything_else_does_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty", "first")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years")
    for force in (False, True):
        with pytest.raises(UsageError, match="is not a package of ran-deploy"):
            make(tmp_path / "other", "first", force=force)
    (tmp_path / "file").write_text("text")
    with pytest.raises(UsageError, match="is a file"):
        make(tmp_path / "file", "first")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    out = tmp_path / "out"
    make(out, "first")

    def fail() -> None:
        with new_folder(out, force=True) as folder:
            (folder / "half").write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert (out / "inner" / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_keeps_pointing_to_the_package(tmp_path: Path) -> None:
    make(tmp_path / "real", "first")
    (tmp_path / "link").symlink_to("real")
    make(tmp_path / "link", "second", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "inner" / "file").read_text() == "second"


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(UsageError, match="cannot be written"):
        make(tmp_path / "file" / "out", "first")


def test_the_list_of_files(tmp_path: Path) -> None:
    make(tmp_path / "out", "first")
    assert [(file.path, file.size_bytes) for file in list_files(tmp_path / "out")] == [("inner/file", 5), (RECORD, 2)]
