"""SIGKILL at every step on the disk: nothing is lost but the chunk under way, and the result is the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline.conftest import MakeFolder

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("suffix", "images"), [(".jsonl", 5), (".parquet", 2)])
def test_a_kill_at_any_step_is_taken_up_again(
    engine: Path, make_folder: MakeFolder, tmp_path: Path, suffix: str, images: int
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    folder = make_folder(images, damaged=(1,))
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "tests.offline.crash", str(engine), str(folder), str(tmp_path / "out"), suffix]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15
