"""Every link of a document to another one, or to a chapter, leads there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "export/*.md", "models/**/*.md", "serve/**/*.md", "benchmarks/*.md")
    for path in REPOSITORY.glob(pattern)
)


def anchors(document: Path) -> set[str]:
    """Return how GitHub names the headings of a document."""
    text = re.sub(r"^(```|~~~).*?^\1", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_a_reference_of_a_link_is_defined() -> None:
    text = (REPOSITORY / "docs" / "comparison.md").read_text(encoding="utf-8")
    used = set(re.findall(r"\]\[([\w-]+)\]", text))
    defined = re.findall(r"^\[([\w-]+)\]: https://", text, re.MULTILINE)
    assert sorted(used) == sorted(defined)
