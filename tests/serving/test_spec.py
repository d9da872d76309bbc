from pathlib import Path

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.serving.spec import HostOptions, ModelSpec, numbered


@pytest.mark.parametrize(
    ("text", "name", "version", "path"),
    [
        ("models/att92_int8.onnx", "att92_int8", "", "models/att92_int8.onnx"),
        ("cars=models/att92.onnx", "cars", "", "models/att92.onnx"),
        ("cars@2=models/att92.onnx", "cars", "2", "models/att92.onnx"),
        ("cars@nightly=a=b.plan", "cars", "nightly", "a=b.plan"),
    ],
)
def test_a_name_and_a_version_may_stand_before_the_path(text: str, name: str, version: str, path: str) -> None:
    spec = ModelSpec.parse(text)
    assert (spec.name, spec.version, spec.path) == (name, version, Path(path))


def test_a_file_whose_name_has_an_equals_sign_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a=b.onnx"
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match="cannot be served as 'a=b'"):
        ModelSpec.parse(str(path))
    assert ModelSpec.parse(f"ab={path}").path == path


@pytest.mark.parametrize("name", ["", "../etc", "a/b", "é", "a b", ".hidden", "a" * 129, "a\n"])
def test_names_that_could_not_stand_in_an_address_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a name is letters, digits"):
        ModelSpec(name=name, path=Path("a.onnx"))


def test_a_version_that_could_not_stand_in_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="The version of a is '1/2'"):
        ModelSpec.parse("a@1/2=b.onnx")


def test_specs_without_a_version_are_numbered() -> None:
    texts = ("a=1.onnx", "a@2=2.onnx", "b=3.onnx", "a=4.onnx")
    assert [spec.version for spec in numbered(tuple(map(ModelSpec.parse, texts)))] == ["1", "2", "1", "3"]


def test_the_same_name_and_version_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="same name and version"):
        numbered((ModelSpec.parse("a@1=1.onnx"), ModelSpec.parse("a@1=2.onnx")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": -1}, "--workers is -1"),
        ({"workers": 10**8}, "--workers is 100000000; expected 0 to 256"),
        ({"max_batch": 0}, "--max-batch is 0"),
        ({"max_batch": 10**8}, "--max-batch is 100000000; expected at most 4096"),
        ({"queue": 0}, "--queue is 0"),
        ({"max_pixels": 0}, "--max-pixels is 0"),
        ({"max_delay_s": -0.001}, "--max-delay-ms is -1"),
        ({"max_delay_s": float("nan")}, "--max-delay-ms is nan"),
        ({"restarts": -1}, "restarts is -1"),
        ({"hang_s": 0}, "hang_s is 0"),
        ({"hang_s": float("nan")}, "hang_s is nan"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        HostOptions(**options)  # type: ignore[arg-type]
