import dataclasses
import json
from pathlib import Path

import pytest

from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import make_contract
from ran_deploy.errors import IntegrityError
from ran_deploy.files import sha256_bytes
from ran_deploy.manifest import (
    Manifest,
    Parent,
    Precision,
    manifest_path,
    publish,
    read_manifest,
    reusable,
    stage_key,
    verified_manifest,
)

INFO = dataset_info("cifar10")
MANIFEST = Manifest(
    kind="onnx",
    arch="att56",
    dataset="cifar10",
    contract=make_contract(INFO, INFO.labels),
    precision=Precision(asked="fp32", obtained={"FLOAT": 3}),
    parents=(Parent(role="checkpoint", name="a.safetensors", sha256="0" * 64),),
    key="k",
)


def write_model(path: Path) -> None:
    path.write_bytes(b"model")


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    path = tmp_path / "a.onnx"
    publish(path, write_model, MANIFEST)
    return path


def test_publish_writes_both_and_fills_in_the_hash(artefact: Path) -> None:
    assert {path.name for path in artefact.parent.iterdir()} == {"a.onnx", "a.onnx.manifest.json"}
    manifest = verified_manifest(artefact)
    assert manifest is not None
    assert manifest.sha256 == sha256_bytes(b"model")
    assert manifest.size_bytes == 5
    assert manifest.created.endswith("+00:00")
    assert json.loads(manifest_path(artefact).read_text())["schema"] == "ran-deploy.manifest/v1"
    blank = dataclasses.replace(manifest, sha256="", size_bytes=0, created="", command="", digest=None)
    assert blank == MANIFEST


def test_a_failed_write_keeps_artefact_and_manifest(artefact: Path) -> None:
    before = manifest_path(artefact).read_bytes()

    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(artefact, fail, MANIFEST)
    assert artefact.read_bytes() == b"model"
    assert manifest_path(artefact).read_bytes() == before
    assert len(list(artefact.parent.iterdir())) == 2


def test_a_changed_artefact_is_found(artefact: Path) -> None:
    artefact.write_bytes(b"modeL")
    with pytest.raises(IntegrityError, match="not the file that its manifest describes"):
        verified_manifest(artefact)
    assert reusable(artefact, "k") is None


def test_reuse_needs_the_same_key(artefact: Path) -> None:
    assert reusable(artefact, "k") is not None
    assert reusable(artefact, "other") is None
    assert reusable(artefact.with_name("no.onnx"), "k") is None


def test_no_manifest(artefact: Path) -> None:
    manifest_path(artefact).unlink()
    assert read_manifest(artefact) is None
    assert verified_manifest(artefact) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"kind": "onnx"', '"kind": "onxn"'),
        lambda text: text.replace('"sha256"', '"sha265"'),
        lambda text: text.replace("manifest/v1", "manifest/v9"),
    ],
)
def test_a_corrupt_manifest_is_an_integrity_error(artefact: Path, damage: object) -> None:
    beside = manifest_path(artefact)
    beside.write_text(damage(beside.read_text()))  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=r"a\.onnx\.manifest\.json"):
        verified_manifest(artefact)


def test_a_changed_bit_of_a_manifest_is_found_or_changes_nothing(artefact: Path) -> None:
    """Space after the last brace is all that may change without being found."""
    beside = manifest_path(artefact)
    text, whole = beside.read_bytes(), read_manifest(artefact)
    for place in {*range(0, len(text), 11), *range(len(text) - 80, len(text))}:  # all bits: benchmarks/faults_damage.py
        damaged = bytearray(text)
        damaged[place] ^= 1 << place % 7
        beside.write_bytes(damaged)
        try:
            assert read_manifest(artefact) == whole
        except IntegrityError:
            continue
        assert place == len(text) - 1


def test_a_manifest_that_was_cut_is_found(artefact: Path) -> None:
    beside = manifest_path(artefact)
    text = beside.read_bytes()
    for length in range(0, len(text) - 1, 17):
        beside.write_bytes(text[:length])
        with pytest.raises(IntegrityError):
            read_manifest(artefact)


def test_an_edit_on_purpose_needs_the_digest_removed(artefact: Path) -> None:
    beside = manifest_path(artefact)
    beside.write_text(beside.read_text().replace('"airplane"', '"aeroplane"'))
    with pytest.raises(IntegrityError, match="not as it was written") as caught:
        read_manifest(artefact)
    assert 'remove the key "digest"' in caught.value.fix
    document = json.loads(beside.read_text())
    del document["digest"]
    beside.write_text(json.dumps(document))
    edited = read_manifest(artefact)
    assert edited is not None
    assert edited.contract.labels[0] == "aeroplane"


def test_what_is_returned_is_what_was_written(artefact: Path) -> None:
    first = publish(artefact, write_model, MANIFEST)
    assert read_manifest(artefact) == first
    child = publish(artefact, write_model, dataclasses.replace(first, key="other"))
    assert read_manifest(artefact) == child
    assert child.digest != first.digest


def test_keys_depend_on_everything() -> None:
    base = stage_key("export", {"a": 1}, {"torch": "2"})
    assert base == stage_key("export", {"a": 1}, {"torch": "2"})
    others = [
        stage_key("build", {"a": 1}, {"torch": "2"}),
        stage_key("export", {"a": 2}, {"torch": "2"}),
        stage_key("export", {"a": 1}, {"torch": "3"}),
    ]
    assert len({base, *others}) == 4


def test_plain_json(artefact: Path) -> None:
    assert json.loads(json.dumps(to_mapping(MANIFEST)))["contract"]["input"]["shape"] == [-1, 32, 32, 3]
