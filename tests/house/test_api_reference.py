"""docs/api.md says what the sources say, of every public name."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import ran_deploy

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_api() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written() -> str:
    return (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_reference_is_what_the_sources_say(make_api: ModuleType, written: str) -> None:
    same = written == make_api.reference()
    assert same, "docs/api.md is not what the sources say any more: run `python docs/make_api.py`"


def test_every_public_name_has_a_chapter_with_its_arguments(make_api: ModuleType, written: str) -> None:
    chapters = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", written, re.MULTILINE | re.DOTALL))
    for name in ran_deploy.__all__:
        assert f"\n```python\n{name}(" in chapters[name], name
        home = make_api.module(make_api.PACKAGE).constant("_HOMES")[name]
        function = make_api.module(home).definitions[name].node
        for argument in [*function.args.args, *function.args.kwonlyargs]:
            assert re.search(rf"\b{argument.arg}: ", chapters[name]), f"{name}: {argument.arg}"


def test_every_link_leads_to_one_chapter(written: str) -> None:
    anchors = [re.sub(r"[^a-z0-9_]", "", title.lower()) for title in re.findall(r"^##+ (.*)$", written, re.MULTILINE)]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", written)) <= set(anchors)


def test_a_field_is_listed_with_its_string(written: str) -> None:
    _, _, chapter = written.partition("### SessionInfo\n")
    assert "- `engine: str` Path of the engine file.\n" in chapter.partition("\n### ")[0]
