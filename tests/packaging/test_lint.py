"""Each rule of the check finds its fault, planted in a repository that is otherwise whole."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ran_deploy.errors import UsageError
from ran_deploy.manifest import manifest_path
from ran_deploy.packaging.lint import lint_repository
from ran_deploy.packaging.package import package
from ran_deploy.packaging.result import Finding
from ran_deploy.packaging.triton_options import TritonOptions
from tests.packaging.engines import CLASSES, onnx_engine, plan_engine

pytest.importorskip("tritonclient.grpc", reason="Triton's schema comes with tritonclient")

Plant = Callable[[Path], None]


def edit(old: str, new: str, count: int = 1) -> Plant:
    """Return what replaces text in the configuration, which must have it."""

    def plant(model: Path) -> None:
        path = model / "config.pbtxt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))

    return plant


def append(text: str) -> Plant:
    def plant(model: Path) -> None:
        path = model / "config.pbtxt"
        path.write_text(path.read_text() + text)

    return plant


def remove(name: str) -> Plant:
    def plant(model: Path) -> None:
        path = model / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return plant


def write(name: str, content: bytes) -> Plant:
    def plant(model: Path) -> None:
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(content)

    return plant


def change_labels(change: Callable[[list[str]], list[str]]) -> Plant:
    def plant(model: Path) -> None:
        path = model / "labels.txt"
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return plant


def another_batch(model: Path) -> None:
    shutil.copy(onnx_engine(model / "four.onnx", batch=4), model / "1" / "model.onnx")
    shutil.copy(manifest_path(model / "four.onnx"), model / "1" / "model.onnx.manifest.json")


ONNX_FAULTS: list[tuple[str, str, Plant, str, str]] = [
    ("an unknown field", "syntax", edit("max_batch_size: 64", "max_batch: 64"), "", "max_batch"),
    ("no configuration", "files", remove("config.pbtxt"), "", "has no config.pbtxt"),
    ("another name", "name", edit('name: "small"', 'name: "large"'), "name", "'large' in a folder 'small'"),
    ("an unknown back end", "backend", edit('"onnxruntime"', '"onnx"'), "backend", "'onnx' is not known"),
    ("no back end", "backend", edit('backend: "onnxruntime"', ""), "backend", "No back end"),
    (
        "a platform of another back end",
        "backend",
        append('platform: "tensorrt_plan"'),
        "platform",
        "not that of the back end",
    ),
    ("no version", "versions", remove("1"), "", "no version folder"),
    ("a folder that is no version", "versions", write("01/model.onnx", b"x"), "", "'01' is no version"),
    (
        "a version that is not there",
        "versions",
        edit("latest {\n    num_versions: 1\n  }", "specific {\n    versions: [ 3 ]\n  }"),
        "version_policy.specific.versions",
        "Version 3 is asked for",
    ),
    ("no engine", "files", remove("1/model.onnx"), "default_model_filename", "missing or empty"),
    ("no manifest", "hash", remove("1/model.onnx.manifest.json"), "", "nothing vouches"),
    ("a damaged engine", "engine", write("1/model.onnx", b"no model"), "", "not a whole ONNX model"),
    ("an input of another name", "names", edit('name: "images"', 'name: "image"'), "input[0].name", "'image' is not"),
    ("an output of another name", "names", edit('name: "logits"', 'name: "l"'), "output[0].name", "'l' is not in"),
    ("another type", "types", edit("TYPE_UINT8", "TYPE_FP32"), "input[0].data_type", "is TYPE_FP32, but uint8"),
    ("other dims", "dims", edit("[ 32, 32, 3 ]", "[ 3, 32, 32 ]"), "input[0].dims", "[3, 32, 32], but [32, 32, 3]"),
    ("other classes", "dims", edit("dims: [ 10 ]", "dims: [ 1000 ]"), "output[0].dims", "[1000], but [10]"),
    ("the batch twice", "batch-axis", edit("[ 32, 32, 3 ]", "[ -1, 32, 32, 3 ]"), "input[0].dims", "batch included"),
    ("an engine of a fixed batch", "batch-axis", another_batch, "max_batch_size", "takes exactly 4 images"),
    (
        "batching without a batch",
        "batch-size",
        edit("max_batch_size: 64", "max_batch_size: 0"),
        "dynamic_batching",
        "max_batch_size is 0",
    ),
    (
        "a preferred batch above the largest",
        "batch-size",
        edit("dynamic_batching {", "dynamic_batching {\n  preferred_batch_size: [ 8, 99 ]"),
        "dynamic_batching.preferred_batch_size[1]",
        "99 is not within 1 to 64",
    ),
    (
        "an endless queue",
        "queue",
        edit("max_queue_size: 1024", "max_queue_size: 0"),
        "dynamic_batching.default_queue_policy.max_queue_size",
        "no end",
    ),
    (
        "waiting for nobody",
        "queue",
        edit("max_batch_size: 64", "max_batch_size: 1"),
        "dynamic_batching.max_queue_delay_microseconds",
        "max_batch_size is 1",
    ),
    ("no labels", "labels", remove("labels.txt"), "output[0].label_filename", "is not there"),
    (
        "a label too few",
        "labels",
        change_labels(lambda labels: labels[:-1]),
        "output[0].label_filename",
        f"has 9 lines, but 1/model.onnx has {CLASSES} classes",
    ),
    (
        "two labels exchanged",
        "labels",
        change_labels(lambda labels: [labels[1], labels[0], *labels[2:]]),
        "output[0].label_filename",
        "Line 1 of labels.txt is 'automobile', but that class of 1/model.onnx is 'airplane'",
    ),
    (
        "no file to warm up with",
        "warmup",
        remove("warmup/batch1.raw"),
        "model_warmup[0].inputs['images'].input_data_file",
        "is not there",
    ),
    (
        "a file of another size",
        "warmup",
        write("warmup/batch1.raw", b"12"),
        "model_warmup[0].inputs['images'].input_data_file",
        "has 2 bytes; one request of these dims has 3072",
    ),
    (
        "zeros in a file",
        "warmup",
        write("warmup/batch1.raw", bytes(3072)),
        "model_warmup[0].inputs['images'].input_data_file",
        "holds one value only",
    ),
    (
        "made-up data",
        "warmup",
        edit('input_data_file: "batch1.raw"', "zero_data: true"),
        "model_warmup[0].inputs['images']",
        "made up",
    ),
    (
        "a warm-up above the largest batch",
        "warmup",
        edit("batch_size: 64\n    inputs", "batch_size: 65\n    inputs"),
        "model_warmup[1].batch_size",
        "65 is not within 1 to 64",
    ),
    (
        "a warm-up of another input",
        "warmup",
        edit('key: "images"', 'key: "image"'),
        "model_warmup[0].inputs",
        "'image' is none of the model",
    ),
    (
        "a warm-up of another shape",
        "warmup",
        edit("dims: [ 32, 32, 3 ]\n          input", "dims: [ 3, 32, 32 ]\n          input"),
        "model_warmup[0].inputs['images'].dims",
        "[3, 32, 32], but the input's are [32, 32, 3]",
    ),
    (
        "a warm-up of another type",
        "warmup",
        edit("data_type: TYPE_UINT8\n          dims", "data_type: TYPE_FP32\n          dims"),
        "model_warmup[0].inputs['images'].data_type",
        "is TYPE_FP32, but the input TYPE_UINT8",
    ),
    ("no copy", "instances", edit("count: 1", "count: 0"), "instance_group[0].count", "The count is 0"),
    (
        "GPUs for the CPU",
        "instances",
        edit("kind: KIND_CPU", "kind: KIND_CPU\n    gpus: [ 0 ]"),
        "instance_group[0].gpus",
        "names GPUs",
    ),
    (
        "graphs that are ignored",
        "optimization",
        append("optimization { cuda { graphs: true } }"),
        "optimization.cuda.graphs",
        "ignores CUDA graphs",
    ),
    (
        "a checksum that does not fit",
        "checksum",
        append(
            'model_repository_agents { agents [ { name: "checksum" parameters '
            '{ key: "MD5:1/model.onnx" value: "00" } } ] }'
        ),
        "model_repository_agents.agents.parameters['MD5:1/model.onnx']",
        "Triton would not load",
    ),
    (
        "a checksum that is missing",
        "checksum",
        append('model_repository_agents { agents [ { name: "checksum" } ] }'),
        "model_repository_agents.agents.parameters",
        "1/model.onnx has no checksum",
    ),
]


def found_in(repository: Path) -> list[Finding]:
    return list(lint_repository(repository).findings)


def test_nothing_is_found_in_a_whole_repository(repository: Path) -> None:
    result = lint_repository(repository)
    assert (result.models, result.findings, result.errors) == (("small",), (), 0)


@pytest.mark.parametrize(
    ("rule", "plant", "field", "message"),
    [pytest.param(*fault[1:], id=fault[0]) for fault in ONNX_FAULTS],
)
def test_a_fault(rule: str, plant: Plant, field: str, message: str, repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "models")
    plant(tmp_path / "models" / "small")
    findings = found_in(tmp_path / "models")
    matching = [finding for finding in findings if (finding.rule, finding.field) == (rule, field)]
    assert matching, findings
    assert message in matching[0].message
    assert matching[0].fix
    assert (tmp_path / "models" / matching[0].file).parent.exists()


def test_an_engine_that_was_changed(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "models")
    version = tmp_path / "models" / "small" / "1"
    onnx_engine(tmp_path / "other.onnx", bias=1.0)
    shutil.copy(tmp_path / "other.onnx", version / "model.onnx")
    (finding,) = found_in(tmp_path / "models")
    assert (finding.severity, finding.rule, finding.file) == ("error", "hash", "small/1/model.onnx")
    (version / "model.onnx.manifest.json").write_text("{")
    assert {finding.rule for finding in found_in(tmp_path / "models")} == {"engine", "hash"}


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    out = tmp_path / "plans"
    package([plan_engine(tmp_path / "a.plan")], out, format="triton", name="small", triton=TritonOptions(checksum=True))
    return out


@pytest.mark.parametrize(
    ("rule", "plant", "field", "message"),
    [
        (
            "batch-size",
            edit("max_batch_size: 32", "max_batch_size: 64"),
            "max_batch_size",
            "1/model.plan takes at most 32",
        ),
        ("instances", edit("KIND_GPU", "KIND_CPU"), "instance_group[0].kind", "runs on GPUs only"),
        ("checksum", write("1/model.plan", b"other"), "model_repository_agents", "but is"),
        ("hash", write("1/model.plan", b"other"), "", "is not the file that its manifest describes"),
        ("files", edit('"tensorrt"', '"python"'), "backend", "runs model.py, which is missing"),
    ],
)
def test_a_fault_with_a_plan(rule: str, plant: Plant, field: str, message: str, plans: Path) -> None:
    assert found_in(plans) == []
    plant(plans / "small")
    matching = [finding for finding in found_in(plans) if finding.rule == rule and finding.field.startswith(field)]
    assert matching
    assert message in matching[0].message


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        ({"flavour": "tensorrt-rtx"}, "backend", "was built by tensorrt-rtx, which the back end tensorrt cannot read"),
        ({"profile": (4, 8, 32)}, "batch-size", "takes at least 4 images, but Triton also sends one"),
    ],
)
def test_another_plan_in_the_place_of_the_first(
    change: dict[str, str], rule: str, message: str, plans: Path, tmp_path: Path
) -> None:
    other = plan_engine(tmp_path / "other.plan", **change)  # type: ignore[arg-type]
    shutil.copy(other, plans / "small" / "1" / "model.plan")
    shutil.copy(manifest_path(other), plans / "small" / "1" / "model.plan.manifest.json")
    (finding,) = found_in(plans)
    assert finding.rule == rule
    assert message in finding.message


def test_openvino_without_padding(engine: Path, tmp_path: Path) -> None:
    options = TritonOptions(backend="openvino", max_batch=8)
    package([engine], tmp_path / "models", format="triton", triton=options)
    assert found_in(tmp_path / "models") == []
    edit("ENABLE_BATCH_PADDING", "UNUSED")(tmp_path / "models" / "small")
    (finding,) = found_in(tmp_path / "models")
    assert finding.rule == "padding"
    assert "every batch of fewer than 8 images" in finding.message


def test_a_model_that_is_no_classifier_is_not_compared(repository: Path, tmp_path: Path) -> None:
    import onnx

    shutil.copytree(repository, tmp_path / "models")
    version = tmp_path / "models" / "small" / "1"
    (version / "model.onnx.manifest.json").unlink()
    model = onnx.load(version / "model.onnx")
    model.graph.output.append(onnx.helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["batch", 8]))
    onnx.save(model, version / "model.onnx")
    findings = found_in(tmp_path / "models")
    assert [(finding.severity, finding.rule) for finding in findings] == [("warning", "engine"), ("warning", "hash")]


def test_files_elsewhere_are_named_and_not_followed_blindly(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "models")
    (tmp_path / "labels").write_text("one\n")
    model = tmp_path / "models" / "small"
    edit('"labels.txt"', f'"{tmp_path / "labels"}"')(model)
    edit('"model.onnx"', '"../../../model.onnx"')(model)
    (finding,) = found_in(tmp_path / "models")
    assert (finding.rule, finding.file) == ("labels", str(tmp_path / "labels"))
    assert "has 1 lines" in finding.message


def test_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        lint_repository(tmp_path / "absent")
    with pytest.raises(UsageError, match="has no model folder"):
        lint_repository(tmp_path)


def test_the_message_of_the_parser_names_the_line(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path / "models")
    edit("max_batch_size: 64", "max_batch: 64")(tmp_path / "models" / "small")
    (finding,) = found_in(tmp_path / "models")
    assert re.search(r"4:\d+", finding.message)
