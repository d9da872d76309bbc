import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ran_deploy.temporaries
from ran_deploy.files import write_text
from ran_deploy.temporaries import temporary_file, temporary_folder

DIES_WRITING = """
import os, pathlib, signal, sys
from ran_deploy.files import atomic_path
from ran_deploy.temporaries import temporary_folder
path = pathlib.Path(sys.argv[1])
with atomic_path(path) as file, temporary_folder(path) as folder:
    file.write_text("half")
    (folder / "inner").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a+b.onnx"
    killed = subprocess.run([sys.executable, "-c", DIES_WRITING, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2, "a file and a folder under temporary names"
    write_text(tmp_path / "b.onnx", "whole")
    assert len(names(tmp_path)) == 3, "another artefact's are left alone"
    write_text(path, "whole")
    assert names(tmp_path) == {"a+b.onnx", "b.onnx"}


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with temporary_file(path, tmp_path) as first, temporary_folder(path) as folder:
        write_text(path, "second")
        assert names(tmp_path) == {"a", first.name, folder.name}
        first.replace(path)
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("name", [".a.12345.tmp", ".a.12345678.tmp~", ".b.12345678.tmp", "a.12345678.tmp"])
def test_other_names_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    write_text(tmp_path / "a", "x")
    assert names(tmp_path) == {"a", name}


def test_what_a_link_of_such_a_name_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / ".a.12345678.tmp").symlink_to("thesis")
    write_text(tmp_path / "a", "x")
    assert names(tmp_path) == {"a", "thesis", ".a.12345678.tmp"}


def test_one_that_is_taken_for_left_over_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ran_deploy.temporaries._new_file
    taken: list[Path] = []

    def make_and_lose(path: Path, folder: Path) -> tuple[int, Path]:
        descriptor, name = make(path, folder)
        if not taken:
            name.unlink()
            taken.append(name)
        return descriptor, name

    monkeypatch.setattr(ran_deploy.temporaries, "_new_file", make_and_lose)
    write_text(tmp_path / "a", "x")
    assert taken
    assert names(tmp_path) == {"a"}


def test_without_locks_files_are_written_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> bool:
        raise OSError(os.strerror(95))

    monkeypatch.setattr(ran_deploy.temporaries, "lock", refuse)
    (tmp_path / ".a.12345678.tmp").touch()
    write_text(tmp_path / "a", "x")
    assert names(tmp_path) == {"a", ".a.12345678.tmp"}
