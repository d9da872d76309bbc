"""A full disk, a folder without write permission, clocks that jump, and two processes on one output.

See benchmarks/README.md. Needs to mount a tmpfs, which is for root; for another user those parts are left out. Wrong
is: an exit code other than 2 for a disk that cannot be written, half a file, an earlier artefact that is lost, a second
run that fails once there is room.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults_kill import forked, look, undisturbed, wait
from faults_stages import STAGES, Stage, prepare
from result_file import ResultFile

from ran_deploy.bench.environment import read_environment
from ran_deploy.config import to_mapping
from ran_deploy.files import sha256_file

_FULL = 2
"""The exit code for a disk that is full."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fill the disk, and the like.")
    parser.add_argument("--sizes", type=int, default=10, help="how many sizes of the small disk, for each stage")
    parser.add_argument("--out", type=Path, help="the JSON file; else one in benchmarks/results")
    return parser.parse_args(words)


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a tmpfs of so many bytes.

    Raises:
        PermissionError: This user may not.
    """
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise PermissionError(done.stderr.decode(errors="replace").strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on a tmpfs, in whole pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 + 4096 for path in folder.rglob("*"))


def full(stage: Stage, inputs: Path, place: Path, sizes: int) -> dict[str, Any]:
    """Run a stage on disks with room for its inputs and a growing part of what it makes, then give it room."""
    whole = undisturbed(stage, inputs)
    done = Path(tempfile.mkdtemp(dir=place.parent))
    shutil.copytree(inputs, done, dirs_exist_ok=True)
    wait(forked(lambda: stage.run(done)))
    base, made = size_of(inputs), size_of(done) - size_of(inputs)
    codes: list[int] = []
    wrong: list[str] = []
    for step in range(sizes):
        room = base + round(2 * made * step / sizes)
        with small_disk(place, room + 65536) as disk:
            folder = disk / "out"
            try:
                shutil.copytree(inputs, folder)
            except shutil.Error:
                continue
            before = {path: sha256_file(path) for path in folder.rglob("*") if path.is_file()}
            code = wait(forked(lambda at=folder: stage.run(at)))
            codes.append(code)
            states = {look([folder / name]) for name in whole.made}
            if code not in (0, _FULL) or not states <= {"absent", "whole"}:
                wrong.append(f"{stage.name} with {room} bytes: exit code {code}, {states}")
            if list(folder.rglob(".*.tmp*")):
                wrong.append(f"{stage.name} with {room} bytes: temporary files were left")
            if lost := [path.name for path, digest in before.items() if sha256_file(path) != digest]:
                wrong.append(f"{stage.name} with {room} bytes: {lost} changed")
            subprocess.run(["mount", "-o", "remount,size=512m", str(disk)], check=True)  # noqa: S607
            if again := wait(forked(lambda at=folder: stage.run(at))):
                wrong.append(f"{stage.name} with room again: exit code {again}")
    return {"sizes": len(codes), "refused": codes.count(_FULL), "enough": codes.count(0), "wrong": wrong}


def read_only(stage: Stage, inputs: Path, place: Path) -> dict[str, Any]:
    """Run a stage on a disk that is mounted without write permission (which stops root, too)."""
    with small_disk(place, 1 << 28) as disk:
        folder = disk / "out"
        shutil.copytree(inputs, folder)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S607
        code = wait(forked(lambda: stage.run(folder)))
    return {"code": code, "wrong": [] if code == _FULL else [f"{stage.name} on a read-only disk: exit code {code}"]}


def clock(stage: Stage, inputs: Path) -> dict[str, Any]:
    """Run a stage whose inputs are from the future, and whose artefact is from before them."""
    folder = Path(tempfile.mkdtemp())
    wrong = []
    try:
        shutil.copytree(inputs, folder, dirs_exist_ok=True)
        for path in folder.rglob("*"):
            os.utime(path, (4e9, 4e9))
        codes = [wait(forked(lambda: stage.run(folder)))]
        digests = [sha256_file(folder / name) for name in stage.makes]
        for name in stage.makes:
            os.utime(folder / name, (0, 0))
        codes.append(wait(forked(lambda: stage.run(folder))))
        if codes != [0, 0]:
            wrong.append(f"{stage.name} with odd times: exit codes {codes}")
        if stage.name != "train" and [sha256_file(folder / name) for name in stage.makes] != digests:
            wrong.append(f"{stage.name} did its work again for a time stamp")
    finally:
        shutil.rmtree(folder)
    return {"wrong": wrong}


def together(stage: Stage, inputs: Path) -> dict[str, Any]:
    """Run a stage twice at the same time into one folder: both may do it, or one is refused; the file is whole."""
    folder = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(inputs, folder, dirs_exist_ok=True)
        children = [forked(lambda: stage.run(folder)) for _ in range(2)]
        codes = sorted(wait(child) for child in children)
        state = look([folder / name for name in stage.makes])
        if state == "refused":  # file and manifest of two runs: the next run mends it
            codes.append(wait(forked(lambda: stage.run(folder))))
            state = f"refused, then {look([folder / name for name in stage.makes])}"
        good = codes[0] == 0 and set(codes) <= {0, _FULL} and state.endswith("whole")
    finally:
        shutil.rmtree(folder)
    wrong = [] if good else [f"{stage.name} twice at a time: exit codes {codes}, {state}"]
    return {"codes": codes, "state": state, "wrong": wrong}


def main(words: list[str]) -> int:
    """Try all of it, write the result and print it; 3 if anything was wrong."""
    options = arguments(words)
    result_file = ResultFile("faults_disk", options)
    result_file.check()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as root:
        os.environ["RAN_DEPLOY_CACHE"] = str(Path(root) / "cache")
        place = Path(root) / "disk"
        for name, stage in STAGES.items():
            inputs = prepare(stage, Path(root) / name)
            entry: dict[str, Any] = {"clock": clock(stage, inputs), "together": together(stage, inputs)}
            try:
                entry["full"] = full(stage, inputs, place, options.sizes)
                entry["read only"] = read_only(stage, inputs, place)
            except PermissionError as error:
                entry["left out"] = f"no small disk could be mounted: {error}"
            found[name] = entry
            sys.stderr.write(f"{name}: {entry}\n")
    result_file.write({"environment": to_mapping(read_environment()), "stages": found})
    parts = [part for entry in found.values() for part in entry.values() if isinstance(part, dict)]
    wrong = [text for part in parts for text in part["wrong"]]
    for name, entry in found.items():
        sys.stdout.write(f"{name:9s} {entry}\n")
    sys.stdout.write("\n".join([*wrong, f"written to {result_file.path}"]) + "\n")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
