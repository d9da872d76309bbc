"""What docs/serving.md says is so."""

import inspect
import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from ran_deploy.cli.serve import serve_command
from ran_deploy.serving.spec import ModelSpec
from tests.serving.front import png, running, save_means

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_its_client_and_its_curl_line_get_answers(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (address,) = re.findall(r"curl --data-binary @ship.jpg 'http://127.0.0.1:8000(.*)'", PAGE)
    with running(ModelSpec(name="att92_int8", path=save_means(tmp_path / "means.onnx"))) as server:
        here = code.replace("127.0.0.1:8000", server.at).replace("(4, 32, 32, 3)", "(4, 4, 4, 3)")
        names: dict[str, object] = {}
        exec(compile(here, "serving.md", "exec"), names)
        request = urllib.request.Request(server.addresses.http + address, png((1, 2, 3)))
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        text = server.metrics.text().decode()
    assert getattr(names["logits"], "shape", None) == (4, 3)
    families = {family.name.removeprefix("ran_deploy_") for family in text_string_to_metric_families(text)}
    section = PAGE.partition("## Metrics")[2].partition("\n## ")[0]
    told = {
        name for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    }
    assert {name.removesuffix("_total").removesuffix("_info") for name in told} == {
        family.removesuffix("_info") for family in families if not family.endswith("_created")
    }


def test_its_options_exist() -> None:
    lines = re.findall(r"^    ran-deploy serve (.*)$", PAGE, re.MULTILINE)
    told = {*re.findall(r"`(--[a-z-]+)", PAGE), *re.findall(r"--[a-z-]+", " ".join(lines))}
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(serve_command).parameters}
    assert told - {"--engine"} <= known
    assert lines
