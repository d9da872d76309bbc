"""The guides are true: their commands parse and run, and the messages they explain exist."""

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ran_deploy.cli.app import app, run
from ran_deploy.cli.output import emit_error
from ran_deploy.errors import RanDeployError

REPOSITORY = Path(__file__).parents[2]
GUIDES = sorted((REPOSITORY / "docs" / "guides").glob("*.md"))
DOCUMENTS = [*GUIDES, REPOSITORY / "README.md", REPOSITORY / "export" / "README.md", REPOSITORY / "docs" / "serving.md"]
ERRORS = {kind.__name__ for kind in RanDeployError.__subclasses__()}
ELLIPSIS = "…"


def blocks(document: Path, language: str) -> str:
    """Return the fenced blocks whose opening line is ``language``, one after another."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return "".join(found)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each line that begins with ran-deploy; comments and redirections end it."""
    for line in text.splitlines():
        if line.strip().startswith("ran-deploy "):
            yield shlex.split(re.split(r"\s[|>&]", line)[0], comments=True)[1:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_has_a_verb_and_options_that_exist(document: Path) -> None:
    verbs = typer.main.get_command(app)
    text = "".join(re.findall(r"^```[^\n]*\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL))
    for verb, *arguments in commands(text):
        verbs.commands[verb].make_context(verb, arguments)  # type: ignore[attr-defined]


def test_the_guides_plan_needs_nothing_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in commands(blocks(REPOSITORY / "docs" / "guides" / "deploy-your-own.md", "sh plan")):
        assert run(arguments) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_commands_on_an_engine_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    assert run(["export", "--arch", "att92", "--samples", "models/samples"]) == 0
    for guide in GUIDES:
        for arguments in commands(blocks(guide, "sh engine")):
            assert run(arguments) == 0, arguments


@pytest.mark.slow
@pytest.mark.skipif("RAN_DEPLOY_DATA" not in os.environ, reason="needs CIFAR-10: set RAN_DEPLOY_DATA")
def test_the_commands_on_images_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    engine = "sh engine"
    assert run(["export", "--arch", "att92", "--samples", "models/samples"]) == 0
    guide = REPOSITORY / "docs" / "guides" / "choose-a-precision.md"
    for language in (engine, "sh data"):
        for arguments in commands(blocks(guide, language).replace(" DIR", f" {os.environ['RAN_DEPLOY_DATA']}")):
            assert run(arguments) == 0, arguments


def test_every_message_that_is_explained_exists() -> None:
    known = set(messages())
    text = (REPOSITORY / "docs" / "guides" / "troubleshoot.md").read_text()
    explained = [words for words in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE) if words[0] != "-"]
    assert len(explained) > 40
    unknown = [words for words in explained if not any(message.startswith(words) for message in known)]
    assert not unknown


def test_every_family_of_errors_has_its_chapter(capsys: pytest.CaptureFixture[str]) -> None:
    text = (REPOSITORY / "docs" / "guides" / "troubleshoot.md").read_text()
    kinds: list[type[RanDeployError]] = [RanDeployError, *RanDeployError.__subclasses__()]
    for kind in kinds:
        assert re.search(rf"^## {kind.exit_code}: ", text, re.MULTILINE), kind.__name__
    emit_error(RanDeployError("a", fix="b"), as_json=False)
    assert capsys.readouterr().err == "error: a\n  fix: b\n"  # the two lines that the guide describes


def messages() -> Iterator[str]:
    """Yield the message of every error that the package raises; what is filled in is an ellipsis."""
    for path in (REPOSITORY / "ran_deploy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
                yield skeleton(node.args[0])


def skeleton(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(skeleton(part) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
    if isinstance(node, ast.BinOp):
        return skeleton(node.left) + skeleton(node.right)
    return ELLIPSIS
