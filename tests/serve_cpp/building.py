"""Drives CMake: the C++ library is built once in each test run, in a temporary folder."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "serve" / "cpp"
SAMPLES = sorted((REPOSITORY / "models" / "samples").glob("*.jpg"))
_MISSING = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A configured and built copy of ``serve/cpp``."""

    folder: Path
    backends: tuple[str, ...]
    formats: tuple[str, ...]

    @property
    def library(self) -> Path:
        return self.folder / "libran_deploy.so"

    def run(self, program: str, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        """Run one of the programs and check its exit code."""
        command = [str(self.folder / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, env=clean_environment())
        assert done.returncode == code, (command, done.returncode, done.stdout[-2000:], done.stderr[-4000:])
        return done

    def require(self, *names: str) -> None:
        """Skip the test, with the reason, where a part could not be built on this machine."""
        for name in names:
            if name not in (*self.backends, *self.formats):
                pytest.skip(f"libran_deploy was built without {name}: {reason_without(name)}")


def clean_environment() -> dict[str, str]:
    """This process' environment without what would make the library load other files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAN_DEPLOY_")}


def cmake() -> str:
    """Return the program cmake, which the package index has too."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("cmake", path=folders)
    assert found, "cmake is missing; run: pip install cmake"
    return found


def run_quietly(*command: str | Path, **options: object) -> str:
    """Run a command of a build; what it printed is shown only if it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return str(done.stdout + done.stderr)


def configure_and_build(sources: Path, folder: Path, *options: str) -> None:
    """Build ``sources`` in ``folder``."""
    environment = clean_environment()
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    run_quietly(cmake(), "-S", sources, "-B", folder, *generator, *options, env=environment)
    jobs = str(len(os.sched_getaffinity(0)))
    run_quietly(cmake(), "--build", folder, "--parallel", jobs, env=environment)


def build(folder: Path, *options: str) -> Built:
    """Build ``serve/cpp`` with the drivers of the tests."""
    configure_and_build(SOURCES, folder, "-DRAN_DEPLOY_TESTS=ON", "-DCMAKE_UNITY_BUILD=ON", *options)
    words = run_quietly(folder / "classify", "--version", env=clean_environment())
    lists = (line.split(": ") for line in words.splitlines()[1:])
    facts = {name: tuple(part for part in rest.split() if part != "none") for name, rest in lists}
    return Built(folder=folder, backends=facts["back ends"], formats=facts["image formats"])


_reasons = {"JPEG": "libjpeg's headers are not installed", "PNG": "libpng's headers are not installed"}


def reason_without(name: str) -> str:
    return _reasons.get(name, "it was not found")


def fetch_ort_headers(folder: Path) -> bool:
    """Fetch ONNX Runtime's headers from Debian into ``folder``; False, with the reason kept, if it is out of reach."""
    done = subprocess.run(
        [SOURCES / "tools" / "fetch_ort_headers.sh", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, _MISSING), done.stderr
    if done.returncode:
        _reasons["onnxruntime"] = done.stderr.strip().splitlines()[-1]
    return done.returncode == 0
