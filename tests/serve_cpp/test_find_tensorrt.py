"""TensorRT and TensorRT-RTX are told apart, and a wrong pair of headers and library is refused."""

import subprocess
from pathlib import Path

import pytest

from tests.serve_cpp.building import SOURCES, cmake

RTX_SDK = (
    "#define TRT_MAJOR_RTX 1\n#define NV_TENSORRT_MAJOR 1\n#define NV_TENSORRT_MINOR 7\n#define NV_TENSORRT_PATCH 1\n"
)


def _full(major: int) -> str:
    return (
        f"#define TRT_MAJOR_ENTERPRISE {major} //!< major\n#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE\n"
        "#define NV_TENSORRT_MINOR 1\n#define NV_TENSORRT_PATCH 0\n"
    )


@pytest.mark.parametrize(
    ("headers", "library", "said"),
    [
        (_full(10), "libtensorrt_rtx.so.1", "is TensorRT-RTX, but"),
        (RTX_SDK, "libnvinfer.so.11.1.0", "is the full TensorRT, but"),
        (_full(11), "libnvinfer.so.10.16.0", "is TensorRT 10, but"),
        ("// nothing\n", "libnvinfer.so.10", "does not say which version"),
        (_full(11), "libtensorrt_rtx.so.1", None),
        (RTX_SDK, "libtensorrt_rtx.so.1", None),
        (_full(11), "libnvinfer.so.11", None),
        (_full(10), "libnvinfer.so.10.16.0", None),
    ],
)
def test_pairs(tmp_path: Path, headers: str, library: str, said: str | None) -> None:
    include = tmp_path / "include"
    include.mkdir()
    (include / "NvInferVersion.h").write_text(headers)
    (tmp_path / library).touch()
    link = tmp_path / "libnvinfer.so"  # a name that tells nothing
    if library != link.name:
        link.symlink_to(library)
    script = tmp_path / "check.cmake"
    module = SOURCES / "cmake" / "TensorRTFlavour.cmake"
    call = f"ran_deploy_tensorrt_flavour(flavour version {include} {link})"
    script.write_text(f'include({module})\n{call}\nmessage(STATUS "${{flavour}} ${{version}}")\n')
    done = subprocess.run([cmake(), "-P", script], capture_output=True, text=True, check=False)
    if said is None:
        assert done.returncode == 0, done.stderr
        version = "1.7.1" if headers == RTX_SDK else headers.split("ENTERPRISE ")[1].split(maxsplit=1)[0] + ".1.0"
        assert done.stdout.split()[1:] == ["tensorrt-rtx" if "rtx" in library else "tensorrt", version]
    else:
        assert done.returncode != 0
        assert said in " ".join(done.stderr.split())
