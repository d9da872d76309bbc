"""A deployment that is killed at any moment goes on after its last whole stage, and leaves nothing half written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ran_deploy.config import to_mapping
from ran_deploy.deploying.deploy import deploy
from ran_deploy.deploying.folder import changed_artefact, read_record
from tests.deploying.small_deployment import OPTIONS, STAGES, make_source, request_of

ROOT = Path(__file__).parents[2]


def test_killed_at_each_point_of_each_stage(tmp_path: Path) -> None:
    make_source(tmp_path / "source")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.deploying.kill_server", str(tmp_path / "source"), str(out)]
    environment = {**os.environ, "RAN_DEPLOY_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server:
        for place, stage in enumerate(STAGES):
            for what in ("begin", "half", "made"):
                server.stdin.write(f"{what} {stage}\n")
                server.stdin.flush()
                answer = server.stdout.readline().split()
                assert answer[:-1] == ["at", what, stage], answer
                os.kill(int(answer[-1]), signal.SIGKILL)
                check_whole(out, STAGES[:place], stage)
        server.stdin.write("nowhere\n")
        server.stdin.flush()
        assert server.stdout.readline().split() == ["done", STAGES[-1]]  # all before it were done by those killed
        server.stdin.close()
    assert server.returncode == 0
    assert not list(out.rglob("*.tmp"))
    assert deploy(out, request_of(tmp_path / "source"), OPTIONS).ran == ()


def check_whole(out: Path, done: tuple[str, ...], killed: str) -> None:
    """The stages before the one that was killed are on record and whole; it is not on record."""
    for name in done:
        record = read_record(out, name)
        assert record is not None, name
        assert record.status == "done", to_mapping(record)
        assert changed_artefact(out, record) is None
    assert read_record(out, killed) is None
