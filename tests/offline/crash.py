"""Kill ``predict_to_file`` at each of its steps on the disk in turn, and go on after it; run by test_kill.py.

Arguments: engine, folder of images, folder for the results, suffix of the results. Each run is a child of this
process that is forked before any engine is opened, since a new interpreter for each would take minutes.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from ran_deploy.offline import parts
from ran_deploy.offline.to_file import predict_to_file
from ran_deploy.optional import require

STEPS = ("fsync", "replace", "unlink", "mkdir", "rmdir")


def kill_at(step: int) -> None:
    """Kill this process before its ``step``-th call of one of STEPS."""
    left = step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def run(engine: Path, images: Path, out: Path, step: int | None) -> int:
    """Predict in a child; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            parts.CHUNK_BYTES = 1
            if step is not None:
                kill_at(step)
            predict_to_file(engine, [images], out, batch=2)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def warm_up(suffix: str) -> None:
    """Import what each child would have to import for itself."""
    Image.init()
    require("onnxruntime", "The test")
    if suffix == ".parquet":
        require("pyarrow", "The test").array([""])
        require("pyarrow.parquet", "The test")


def main(engine: Path, images: Path, folder: Path, suffix: str) -> None:
    """Print the number of steps after each of which the run was killed and taken up again to the same bytes."""
    warm_up(suffix)
    reference = folder / f"reference{suffix}"
    assert run(engine, images, reference, None) == 0
    step = 0
    while True:
        step += 1
        out = folder / f"{step}" / f"p{suffix}"
        out.parent.mkdir()
        status = run(engine, images, out, step)
        assert status in (0, -signal.SIGKILL), status
        assert run(engine, images, out, None) == 0
        assert out.read_bytes() == reference.read_bytes(), step
        left = {path.name for path in out.parent.iterdir()}
        assert left == {out.name, f"{out.name}.manifest.json"}, (step, left)
        if status == 0:
            break
    sys.stdout.write(f"{step - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
