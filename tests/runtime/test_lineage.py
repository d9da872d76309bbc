from dataclasses import replace
from typing import Any

from ran_deploy.files import sha256_file
from ran_deploy.manifest import Parent, manifest_path, publish, read_manifest
from ran_deploy.runtime.lineage import read_lineage


def test_parents_are_followed_as_far_as_they_lie_there(make_means: Any) -> None:
    old, middle, new = (make_means(name) for name in ("old.onnx", "middle.onnx", "new.onnx"))
    origin = Parent(role="checkpoint", name="weights.safetensors", sha256="0" * 64)
    calibration = Parent(role="calibration", name="cifar10 train", sha256="1" * 64)
    for path, parents in (
        (old, (origin,)),
        (middle, (Parent(role="onnx", name=old.name, sha256=sha256_file(old)), calibration)),
        (new, (Parent(role="onnx", name="elsewhere/middle.onnx", sha256=sha256_file(middle)), origin)),
    ):
        manifest = read_manifest(path)
        assert manifest is not None
        publish(path, path.read_bytes(), replace(manifest, parents=parents))
    manifest = read_manifest(new)

    def found() -> list[tuple[str, int, str | None]]:
        return [(one.name, one.generation, one.state) for one in read_lineage(new, manifest)]

    # The three files have one content, so `old` has the hash of `middle` and is not named twice.
    assert found() == [
        ("elsewhere/middle.onnx", 1, "whole"),
        ("weights.safetensors", 1, "absent"),
        ("cifar10 train", 2, None),
    ]
    manifest_path(middle).write_text("{")
    assert found() == [("elsewhere/middle.onnx", 1, "whole"), ("weights.safetensors", 1, "absent")]
    middle.write_bytes(b"other")
    assert found()[0] == ("elsewhere/middle.onnx", 1, "changed")
    middle.write_bytes(b"")
    assert found()[0] == ("elsewhere/middle.onnx", 1, "changed")
    middle.unlink()
    assert found()[0] == ("elsewhere/middle.onnx", 1, "absent")


def test_a_calibration_file_is_looked_for(make_means: Any) -> None:
    path = make_means()
    ranges = path.with_name("att92.calibration.json")
    ranges.write_text("{}")
    manifest = read_manifest(path)
    assert manifest is not None
    parent = Parent(role="calibration", name=ranges.name, sha256=sha256_file(ranges))

    def state() -> str | None:
        (found,) = read_lineage(path, replace(manifest, parents=(parent,)))
        return found.state

    assert state() == "whole"
    ranges.write_text("{ }")
    assert state() == "changed"
    ranges.unlink()
    assert state() == "absent"


def test_without_a_manifest_nothing_is_known(make_means: Any) -> None:
    assert read_lineage(make_means(manifest=False), None) == ()
