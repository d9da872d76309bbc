"""A run on a local Ray with two workers, one of which is killed in the middle; run by test_ray_pool.py.

Arguments: engine, folder of images, folder for the results. The worker tells through a FIFO when it is in the middle,
and then waits to be killed; what takes its place goes on. Prints what was seen, as JSON.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ran_deploy.offline import ray_pool
from ran_deploy.offline.ray_unit import UnitPredictor
from ran_deploy.offline.to_file import predict_to_file

LISTENING = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
"""127.0.0.1, ::1 and ::ffff:127.0.0.1 as Linux writes them."""


def watched(pipe: str, mark: str) -> type[UnitPredictor]:
    """Return a predictor that, in one worker and once, tells its process number and waits for its death."""

    class Watched(UnitPredictor):
        def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
            if int(batch["item"][0]) == 3:
                try:
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    Path(pipe).write_text(str(os.getpid()))
                    signal.pause()
            return super().__call__(batch)

    return Watched


def ours() -> set[int]:
    """Return the processes of the Ray that this one started, and this one."""
    token = f"RAY_AUTH_TOKEN={os.environ['RAY_AUTH_TOKEN']}".encode()
    found = {os.getpid()}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if token in (path / "environ").read_bytes().split(b"\0"):
                found.add(int(path.name))
        except OSError:
            continue
    return found


def open_to_others() -> list[str]:
    """Return the addresses, other than the loopback's, on which these processes listen."""
    sockets = set()
    for process in ours():
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            mine = f"socket:[{fields[9]}]" in sockets and fields[3] == LISTENING
            if mine and fields[1].split(":")[0] not in LOOPBACK:
                found.append(fields[1])
    return found


def main(engine: Path, images: Path, folder: Path) -> None:
    """Compare a run in this process with one on Ray."""
    pipe, seen = folder / "pipe", dict[str, Any]()
    os.mkfifo(pipe)
    ray_pool._UNIT_IMAGES = 1
    ray_pool.UnitPredictor = watched(str(pipe), str(folder / "mark"))  # type: ignore[attr-defined]

    def kill() -> None:
        victim = int(pipe.read_text())  # waits until the worker writes
        seen["open_to_others"], seen["processes"] = open_to_others(), len(ours())
        seen["telemetry"] = os.environ.get("RAY_USAGE_STATS_ENABLED")
        os.kill(victim, signal.SIGKILL)
        seen["killed"] = True

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    os.chdir(images.parent)  # relative names must mean the same in the workers
    inputs = [images.name, *sorted(path.name for path in images.parent.glob("*.tar"))]
    result = predict_to_file(engine, inputs, folder / "ray.jsonl", batch=4, ray="local", ray_workers=2)
    seen["key"] = result.record.key
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
