"""The installed package, as a project of somebody else's finds and uses it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ran_deploy.manifest import manifest_path
from tests.serve_cpp.building import SAMPLES, SOURCES, Built, clean_environment, cmake, configure_and_build, run_quietly


@pytest.fixture(scope="module")
def prefix(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    built.require("onnxruntime", "JPEG")
    first = tmp_path_factory.mktemp("installed") / "first"
    run_quietly(cmake(), "--install", built.folder, "--prefix", first)
    moved = first.with_name("moved")
    first.rename(moved)
    return moved


def test_what_is_installed(prefix: Path) -> None:
    names = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
    (folder,) = {str(Path(name).parent) for name in names if name.endswith("libran_deploy.so")}
    package = {"Config", "ConfigVersion", "Targets", "Targets-none"}
    assert names == {
        "bin/classify",
        "include/ran_deploy/ran_deploy.h",
        "include/ran_deploy/ran_deploy.hpp",
        *(f"{folder}/libran_deploy.so{version}" for version in ("", ".1", ".0.1.0")),
        *(f"{folder}/cmake/ran_deploy/ran_deploy{part}.cmake" for part in package),
        f"{folder}/pkgconfig/ran_deploy.pc",
    }


def test_the_example_service(prefix: Path, engine: Path, tmp_path: Path) -> None:
    shutil.copytree(SOURCES / "example", tmp_path / "example")  # away from this repository
    configure_and_build(tmp_path / "example", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    classify: list[str | Path] = [prefix / "bin" / "classify", engine, "--top=1", "--threads=1"]
    asked = [*SAMPLES, tmp_path / "gone.jpg", SAMPLES[0]]
    done = subprocess.run(
        [tmp_path / "build" / "service", engine],
        input="".join(f"{path}\n" for path in asked),
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    answers = [line.split("\t") for line in done.stdout.splitlines()]
    assert [answer[0] for answer in answers] == [str(path) for path in asked], "in the order of the questions"
    assert answers[-2][1] == "error"
    expected = run_quietly(*classify, *SAMPLES, env=clean_environment()).splitlines()[1:]
    for answer, line in zip(answers, expected, strict=False):
        assert answer[1] == line.split()[1]
        assert float(answer[2]) == pytest.approx(float(line.split()[2].rstrip("%")) / 100, abs=1e-4)
    said = run_quietly(tmp_path / "build" / "from_c", engine, SAMPLES[0], env=clean_environment())
    assert said.split()[0] == answers[0][1]
    failed = subprocess.run([tmp_path / "build" / "from_c", engine, "x"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: The image x does not exist.")


def test_the_readmes_programs(prefix: Path, engine: Path, tmp_path: Path) -> None:
    text = (SOURCES / "README.md").read_text()
    cpp, c = (text.split(f"```{language}\n")[1].split("```")[0] for language in ("cpp", "c"))
    sources = {
        "cpp": cpp,
        "c": f"#include <stdio.h>\n#include <ran_deploy/ran_deploy.h>\nint main(void) {{\n{c}return 0;\n}}\n",
    }
    shutil.copy(SAMPLES[0], tmp_path / "frog.jpg")
    shutil.copy(engine, tmp_path / "att92_int8.onnx")
    shutil.copy(manifest_path(engine), tmp_path / "att92_int8.onnx.manifest.json")
    (library,) = prefix.rglob("libran_deploy.so")
    answers = []
    for suffix, source in sources.items():
        (tmp_path / f"program.{suffix}").write_text(source)
        compiler = ("c++", "-std=c++17") if suffix == "cpp" else ("cc", "-std=c99")
        link = (f"-I{prefix}/include", library, f"-Wl,-rpath,{library.parent}")
        run_quietly(*compiler, "-Wall", "-Werror", "-o", tmp_path / suffix, tmp_path / f"program.{suffix}", *link)
        answers.append(run_quietly(tmp_path / suffix, cwd=tmp_path, env=clean_environment()).split())
    assert answers[0][::2] == answers[1][::2], "the same labels"
    assert len(answers[0]) == 10


def test_pkg_config(prefix: Path, engine: Path, tmp_path: Path) -> None:
    if shutil.which("pkg-config") is None or shutil.which("cc") is None:
        pytest.skip("pkg-config or a C compiler is not installed")
    (found,) = prefix.rglob("ran_deploy.pc")
    environment = clean_environment() | {"PKG_CONFIG_PATH": str(found.parent)}
    flags = run_quietly("pkg-config", "--cflags", "--libs", "ran_deploy", env=environment).split()
    (library,) = prefix.rglob("libran_deploy.so")
    program, source = tmp_path / "from_c", SOURCES / "example" / "from_c.c"
    run_quietly(
        "cc", "-std=c99", "-Wall", "-Werror", "-pedantic", "-o", program, source, *flags, f"-Wl,-rpath,{library.parent}"
    )
    assert run_quietly(program, engine, SAMPLES[0], env=clean_environment())


def test_another_version_is_not_found(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(x LANGUAGES NONE)\nfind_package(ran_deploy 0.2 REQUIRED)\n"
    )
    command = [cmake(), "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={prefix}"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert 'compatible with requested version "0.2"' in " ".join(done.stderr.split())
