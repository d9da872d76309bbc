"""Options of a network on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from ran_deploy.cli.app import run
from ran_deploy.cli.model_options import network_options
from ran_deploy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("width=0.5", 0.5),
        ("p = 2", 2),
        ("mask_depths=[2, 2, 1]", [2, 2, 1]),
        ("attention=channel", "channel"),
        ('attention="channel"', "channel"),
        ("mask=encoder-decoder", "encoder-decoder"),
        ("last=true", True),
        ("name=a=b", "a=b"),
        ("name=1\nother = 2", "1\nother = 2"),
    ],
)
def test_a_value_is_toml_or_text(text: str, value: Any) -> None:
    (found,) = network_options([text]).values()
    assert found == value
    assert type(found) is type(value)


def test_none_and_several() -> None:
    assert network_options(None) == {}
    assert network_options(["p=2", "t=3"]) == {"p": 2, "t": 3}


@pytest.mark.parametrize("text", ["width", "=2", "width=", ""])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        network_options([text])


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="--option p is given twice"):
        network_options(["p=2", "p=3"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["export", "--arch", "att56", "--random-weights", "--option", "widht=2"],
            "The options of att56: 'widht' is not a known key. fix: Did you mean 'width'?",
        ),
        (["export", "--arch", "att56", "--random-weights", "--option", "p=two"], "ran-deploy archs --arch att56"),
        (["export", "--arch", "att56", "--option", "p=2"], "come from its checkpoint"),
        (["quantize", "--onnx", "x.onnx", "--precision", "fp16", "--option", "p=2"], "--option goes with --arch"),
        (["build", "--onnx", "x.onnx", "--option", "p=2"], "--option goes with --arch"),
    ],
)
def test_commands_take_them_or_say_why_not(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_train_takes_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("validation = 500\n")
    arguments = ["train", "--arch", "att56", "--dataset", "synthetic", "--recipe", str(recipe), "--out", str(tmp_path)]
    assert run([*arguments, "--option", "t=0"]) == 2
    assert "each must be at least 1" in capsys.readouterr().err


def test_archs_shows_a_networks_options(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    assert run(["archs", "--arch", "att56"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "1,030,362" in text
    assert "attention mixed What makes the mask" in text
    assert "1,841,242" not in text, "another network"
    assert run(["archs", "--arch", "att56", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {arch["name"] for arch in document["archs"]} == {"att56"}
    assert document["options"][0] == {
        "name": "width",
        "default": 1.0,
        "choices": [],
        "text": "Multiplier of every layer's channels; the number of classes stays.",
    }
