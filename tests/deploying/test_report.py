"""The report of a deployment that was measured here: all that it must say, whatever was refused or not run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.config import to_mapping
from ran_deploy.deploying.report import render, write_report
from ran_deploy.deploying.report_warnings import all_warnings
from ran_deploy.deploying.result import DeployResult, Recommendation, read_result
from ran_deploy.errors import UsageError
from tests.deploying.measured import LOST, NO_GPU, measured_result
from tests.report.page import Page, check_sound

EVIL = '<script>alert("x")</script>&\u202e'
SECTIONS = (
    *("answer", "engines", "accuracy", "latency", "layers", "time", "refused", "lineage", "stages", "machine"),
    *("warnings", "repeat"),
)


@pytest.fixture(scope="module")
def result() -> DeployResult:
    return measured_result()


@pytest.fixture(scope="module")
def page(result: DeployResult) -> Page:
    return check_sound(render(result))


def test_both_files_are_written_and_the_json_reads_back(result: DeployResult, tmp_path: Path) -> None:
    path = write_report(result, tmp_path)
    assert path == tmp_path / "report.html"
    assert {entry.name for entry in tmp_path.iterdir()} == {"report.html", "report.json"}
    assert path.read_text(encoding="utf-8") == render(result)
    assert read_result(tmp_path / "report.json") == result
    assert json.loads((tmp_path / "report.json").read_text())["schema"] == "ran-deploy.deploy/v1"


def test_a_folder_that_cannot_be_written_is_said(result: DeployResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(result, tmp_path / "file")


def test_every_section_is_there_in_order(page: Page) -> None:
    assert [name for name in page.values("id") if name in SECTIONS] == list(SECTIONS)
    assert all(page.section(name) for name in SECTIONS)


def test_the_recommendation_comes_first(page: Page, result: DeployResult) -> None:
    said = page.section("answer")
    assert said.startswith("Which engine to deploy Deploy net.onnx in ONNX Runtime.")
    for words in (*result.recommendation.reasons, result.recommendation.next_command, "float32", "held"):
        assert words in said


def test_accuracy_has_its_intervals_and_its_gate(page: Page, result: DeployResult) -> None:
    said = page.section("accuracy")
    first, second = result.variants[0].accuracy, result.variants[1]
    assert first is not None
    assert second.paired is not None
    assert second.gate is not None
    low, high = first.top1_ci95
    assert f"{first.top1:.2f}% {low:.2f} to {high:.2f}" in said
    low, high = second.paired.difference_ci95
    assert f"{second.paired.difference_points:+.2f} {low:+.2f} to {high:+.2f}" in said
    assert second.gate.verdict in said
    assert "largest difference" in said  # agreement of the logits


def test_engines_are_compared_and_dominated_ones_named(result: DeployResult) -> None:
    assert result.pareto is not None
    first, second = result.pareto.points
    beaten = replace(second, latency=replace(second.latency, dominated_by=(first.name,)))
    said = check_sound(render(replace(result, pareto=replace(result.pareto, points=(first, beaten))))).section(
        "engines"
    )
    for words in ("recommended", "rejected", "not run here", "dominated by 1", result.pareto.rule, "on the front"):
        assert words in said, words


def test_latency_has_percentiles_and_says_where_runs_were_too_few(page: Page, result: DeployResult) -> None:
    said = page.section("latency")
    bench = result.variants[0].bench
    assert bench is not None
    assert "n<662" in said
    assert f"{bench.results[0].p50_ms:.3f}" in said
    assert f"histogram of {bench.results[0].samples:,} latencies" in said
    assert all(words in said for words in (bench.percentile_rule, "90% within 1000 s: held.", "Distribution"))


def test_layer_types_and_parts(page: Page, result: DeployResult) -> None:
    said = page.section("layers")
    assert "2 FP16, 1 float32" in said
    assert "stem/Conv" in said
    profile = result.variants[0].profile
    assert profile is not None
    times = page.section("time")
    assert all(part.name in times for part in profile.parts)
    assert "runtime overhead" in times


def test_what_was_refused_and_not_run_is_said_with_the_reason(page: Page) -> None:
    said = page.section("refused")
    assert f"3 · net_int8, onnxruntime rejected {LOST}" in said
    assert f"4 · net_fp16, tensorrt-rtx not run here {NO_GPU}" in said
    assert "openvino OpenVINO is not installed." in said


def test_lineage_shows_each_file_below_its_parent_with_the_whole_hash(page: Page, result: DeployResult) -> None:
    said = page.section("lineage")
    for link in result.lineage:
        assert link.sha256 in page.values("title")
        assert link.sha256 in said
    tree = render(result).partition('<ul class="tree">')[2]
    assert tree.index("net.safetensors") < tree.index("net.onnx") < tree.index("net_fp16.onnx")
    assert tree.index("net_fp16.onnx") < tree.index("net_fp16.plan")
    assert "proven against torch" in said


def test_the_source_heads_the_lineage_where_no_link_has_it(result: DeployResult) -> None:
    tree = render(replace(result, lineage=result.lineage[1:])).partition('<ul class="tree">')[2]
    assert tree.index("net.safetensors") < tree.index("<ul>") < tree.index("net.onnx")
    foreign = replace(result.source, kind="onnx", name="foreign.onnx", sha256="f" * 64)
    assert "foreign.onnx" in check_sound(render(replace(result, source=foreign))).section("lineage")


def test_one_calibration_is_told_once_for_all_its_files(result: DeployResult) -> None:
    calibration = {"source": "images", "count": 512, "reduce_range": False}
    variants = tuple(replace(one, calibration=calibration) for one in result.variants)
    said = check_sound(render(replace(result, variants=variants))).section("lineage")
    assert said.count("Calibration of") == 1
    assert (
        "Calibration of net.onnx, net_fp16.onnx, net_fp16.plan images from images images 512 7-bit weights no" in said
    )


def test_stages_machine_and_commands(page: Page, result: DeployResult) -> None:
    assert "export done 12.5 s made net.onnx" in page.section("stages")
    assert "slo_ms command line" in page.section("stages")
    assert result.environment.cpu in page.section("machine")
    said = page.section("repeat")
    assert result.command in said
    assert all(stage.command in said for stage in result.stages)
    assert "ran-deploy bench --engine net_fp16.plan" in said


def test_every_warning_is_there_once_and_counted_at_the_top(result: DeployResult) -> None:
    warnings = tuple(f"Warning {letter * 3} of many." for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN")
    quiet = tuple(
        replace(one, bench=one.bench and replace(one.bench, notes=()), profile=None) for one in result.variants
    )
    stage = replace(result.stages[0], warnings=("Stage's own.",))
    stages = (stage, *result.stages[1:])
    page = check_sound(render(replace(result, warnings=warnings, stages=stages, variants=quiet)))
    said = page.section("warnings")
    assert all(said.count(words) == 1 for words in (*warnings, "export: Stage's own."))
    assert [name for name in page.values("id") if name.startswith("warning-")] == [f"warning-{n}" for n in range(1, 42)]
    top = page.inside[""]
    assert "41 warnings" in top
    assert warnings[0] in top
    assert "and 38 others, below" in top


def test_warnings_that_differ_in_their_figures_are_said_once(result: DeployResult) -> None:
    first, second, *others = result.variants
    assert first.bench is not None
    bench = replace(
        first.bench, notes=("Others used 1.5 CPUs (python 0.3): too slow.", "Unstable at batch 1: it drifts.")
    )
    again = replace(bench, notes=("Others used 0.9 CPUs (pip 0.1): too slow.",))
    variants = (replace(first, bench=bench, profile=None), replace(second, bench=again, profile=None), *others)
    said = all_warnings(replace(result, warnings=(f"{first.name}: at batch 1 unstable",), variants=variants))
    assert said == [
        f"{first.name}: at batch 1 unstable",
        "2 engines (1, 2): Others used 1.5 CPUs (python 0.3): too slow. Figures: of engine 1.",
    ]


def test_hostile_names_are_words_everywhere(result: DeployResult) -> None:
    first = result.variants[0]
    assert first.engine is not None
    assert result.pareto is not None
    hostile = replace(
        result,
        name=EVIL,
        source=replace(result.source, name=EVIL, arch=EVIL),
        stages=tuple(replace(stage, name=EVIL, reason=EVIL, command=EVIL, warnings=(EVIL,)) for stage in result.stages),
        variants=tuple(
            replace(one, name=EVIL, reason=EVIL, kept=(EVIL,), commands=(EVIL,), obtained={EVIL: 1})
            for one in result.variants
        ),
        recommendation=Recommendation(variant=EVIL, sentence=EVIL, reasons=(EVIL,), next_command=EVIL),
        absent={EVIL: EVIL},
        lineage=tuple(replace(link, name=EVIL) for link in result.lineage),
        warnings=(EVIL,),
        origins={EVIL: EVIL},
        command=EVIL,
        environment=replace(result.environment, cpu=EVIL),
        pareto=replace(result.pareto, points=tuple(replace(point, name=EVIL) for point in result.pareto.points)),
    )
    text = render(hostile)
    check_sound(text)
    assert "\u202e" not in text
    assert text.count("&lt;script&gt;") > 40


def test_a_report_of_nothing_but_refusals(result: DeployResult) -> None:
    refused = tuple(
        replace(one, status="rejected", reason=LOST, accuracy=None, paired=None, gate=None, bench=None, samples=(),
                slo=None, profile=None, parity=None)
        for one in result.variants
    )  # fmt: skip
    said = Recommendation(variant=None, sentence="No engine holds its gate.", reasons=(), next_command="")
    page = check_sound(
        render(replace(result, variants=refused, pareto=None, recommendation=said, dataset=None, warnings=()))
    )
    assert "No engine holds its gate." in page.section("answer")
    assert page.met.count("svg") == 0
    assert page.section("refused").count(LOST) == 4
    assert "Not measured" in page.section("accuracy")
    assert "Not measured" in page.section("latency")


def test_a_single_engine_without_labelled_images(result: DeployResult) -> None:
    alone = replace(result.variants[0], accuracy=None, paired=None, gate=None)
    page = check_sound(render(replace(result, variants=(alone,), pareto=None, dataset=None, absent={})))
    assert "not measured no labelled images were given" in page.section("answer")
    assert "No engine was rejected, and none failed." in page.section("refused")
    assert page.met.count("figure") == 3  # two histograms, the parts


def test_an_empty_deployment_still_is_a_page(result: DeployResult) -> None:
    nothing = replace(result, variants=(), stages=(), lineage=(), pareto=None, absent={}, origins={}, warnings=())
    page = check_sound(render(nothing))
    assert page.section("warnings") == "Warnings There are none."


def test_all_that_the_page_shows_is_in_the_json(result: DeployResult) -> None:
    document = to_mapping(result)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
