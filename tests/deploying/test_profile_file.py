"""Deployment profiles: those that ship, what the command line overrides, and what is refused."""

import json
from pathlib import Path

import pytest

from ran_deploy.config import read_toml
from ran_deploy.deploying.options import DeployOptions
from ran_deploy.deploying.profile_file import TargetProfile, find_profile, merge
from ran_deploy.deploying.profile_schema import profile_schema
from ran_deploy.errors import UsageError
from ran_deploy.resources import profiles_folder

SHIPPED = sorted(profiles_folder().glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profiles(path: Path) -> None:
    profile = read_toml(TargetProfile, path)
    assert profile.title
    assert profile.load.slo_ms is not None
    assert path.read_text().splitlines()[0] == "#:schema ./profile.schema.json"
    assert f"[{path.stem}]({path.name})" in (profiles_folder() / "README.md").read_text()
    options, _ = merge(path, {})
    assert options.precisions == profile.precisions


def test_there_are_profiles() -> None:
    assert len(SHIPPED) >= 6


def test_the_schema_is_that_of_the_dataclass() -> None:
    assert json.loads((profiles_folder() / "profile.schema.json").read_text()) == profile_schema()


def test_the_schema_says_what_the_reader_checks() -> None:
    schema = profile_schema()
    assert schema["required"] == ["title"]
    assert not schema["additionalProperties"]
    load = schema["properties"]["load"]
    assert load["properties"]["objective"]["enum"] == ["latency", "throughput"]
    assert load["properties"]["slo_ms"]["type"] == "number"
    assert "default" not in load["properties"]["slo_ms"]
    assert schema["properties"]["batch"]["required"] == ["min_batch", "opt_batch", "max_batch"]


def test_the_command_line_has_the_last_word() -> None:
    options, origins = merge(Path("cpu_avx2"), {"load.slo_ms": 3.0, "precisions": ("fp16",), "batch.max_batch": 4})
    assert options.load.slo_ms == 3
    assert options.precisions == ("fp16",)
    assert (options.batch.min_batch, options.batch.opt_batch, options.batch.max_batch) == (1, 4, 4)
    assert options.int8.reduce_range
    assert origins["load.slo_ms"] == origins["precisions"] == origins["batch.max_batch"] == "command line"
    assert origins["int8.reduce_range"] == origins["runtimes"] == "profile cpu_avx2.toml"
    assert origins["flavour"] == origins["batch.min_batch"] == "default"


@pytest.mark.parametrize(
    ("profile", "fix"), [(None, "Correct the option."), (Path("cpu_avx2"), "Correct the option, or the file.")]
)
def test_a_mistake_on_the_command_line_is_corrected_there(profile: Path | None, fix: str) -> None:
    with pytest.raises(UsageError, match=r"^The command line.*'fp8'") as caught:
        merge(profile, {"precisions": ("fp8",)})
    assert caught.value.fix == fix


def test_nothing_given_is_the_defaults() -> None:
    options, origins = merge(None, {})
    assert options == DeployOptions()
    assert set(origins.values()) == {"default"}


def test_profiles_are_found_by_name() -> None:
    shipped = profiles_folder() / "a100_int8.toml"
    for given in ("a100_int8", "a100_int8.toml", "export/a100_int8.toml", str(shipped)):
        assert find_profile(Path(given)).samefile(shipped)
    with pytest.raises(UsageError, match="no deployment profile a100_int9") as caught:
        find_profile(Path("a100_int9"))
    assert caught.value.fix == "Did you mean 'a100_int8'?"


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ('title = "x"\nprecision = ["fp16"]', "'precision' is not a known key", "Did you mean 'precisions'?"),
        ('title = "x"\n[load]\nslo = 3.0', "load: 'slo' is not a known key", "slo_ms"),
        ('title = "x"\nprecisions = ["fp8"]', "'fp8'; expected one of 'fp32', 'fp16', 'int8'", ""),
        ('title = "x"\n[gates]\nint8 = "much"', "int8 is 'much'; expected a number", ""),
        ('title = "x"\n[gates]\nint8 = 0.0', "--max-drop is 0.0", ""),
        ('precisions = ["fp16"]', "lacks the key 'title'", ""),
        ('title = "x', "not valid TOML", ""),
    ],
)
def test_mistakes_in_a_profile(tmp_path: Path, text: str, message: str, fix: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        merge(path, {})
    assert fix in caught.value.fix
