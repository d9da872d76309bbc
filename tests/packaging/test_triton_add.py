"""A further version beside the earlier ones: whole, fitting, and without touching what is served."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.packaging.lint import lint_repository
from ran_deploy.packaging.package import package
from ran_deploy.packaging.record import read_record
from ran_deploy.packaging.result import PackageResult
from ran_deploy.packaging.triton_options import TritonOptions
from tests.packaging.engines import contract, onnx_engine, plan_engine

pytest.importorskip("tritonclient.grpc", reason="Triton's schema comes with tritonclient")


@pytest.fixture
def models(repository: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository, tmp_path / "models"))


@pytest.fixture
def better(tmp_path: Path) -> Path:
    return onnx_engine(tmp_path / "better.onnx", bias=1.0)


def add(engine: Path, out: Path, version: int = 2, **options: object) -> PackageResult:
    return package([engine], out, format="triton", version=version, **options)  # type: ignore[arg-type]


def test_a_second_version(models: Path, better: Path) -> None:
    before = (models / "small" / "config.pbtxt").read_bytes()
    result = add(better, models)
    assert (models / "small" / "2" / "model.onnx").read_bytes() == better.read_bytes()
    assert (models / "small" / "config.pbtxt").read_bytes() == before
    assert [version.version for version in result.models[0].versions] == [1, 2]
    record = read_record(models)
    assert record is not None
    assert record.models == result.models
    assert lint_repository(models).findings == ()
    assert not [path for path in models.parent.iterdir() if path.name.startswith(".")], "nothing is left beside it"


def test_version_1_of_a_new_repository_may_have_any_number(engine: Path, tmp_path: Path) -> None:
    result = add(engine, tmp_path / "new", version=7)
    assert (tmp_path / "new" / "small" / "7" / "model.onnx").is_file()
    assert result.models[0].versions[0].version == 7


def test_force_replaces_instead_of_adding(models: Path, better: Path) -> None:
    add(better, models, version=2, force=True)
    assert sorted(path.name for path in models.iterdir()) == ["better", "ran-deploy-package.json"]


def test_what_does_not_fit_is_refused_and_changes_nothing(models: Path, better: Path, tmp_path: Path) -> None:
    base = contract()
    other = onnx_engine(tmp_path / "labels.onnx", described=replace(base, labels=base.labels[::-1]))
    rule = replace(base.preprocessing, mean=(0.0, 0.0, 0.0))
    fed = onnx_engine(tmp_path / "rule.onnx", described=replace(base, preprocessing=rule))
    fixed = onnx_engine(tmp_path / "fixed.onnx", batch=4)
    plan = plan_engine(tmp_path / "a.plan")
    before = sorted(path for path in models.rglob("*"))
    for engine, options, message in [
        (better, {"version": 1}, "has a version 1 already"),
        (better, {"version": 0}, "counts versions from 1"),
        (better, {"name": "other"}, "has no model other; it has small"),
        (better, {"triton": TritonOptions(max_batch=8)}, "share one config.pbtxt"),
        (other, {}, "another labels than version 1"),
        (fed, {}, "another preprocessing than version 1"),
        (fixed, {}, "another input than version 1"),
        (plan, {}, "would be model.plan, but the earlier version is model.onnx"),
    ]:
        with pytest.raises(UsageError, match=message):
            add(engine, models, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="adds one engine"):
        package([better, plan], models, format="triton", version=2)
    assert sorted(path for path in models.rglob("*")) == before


def test_only_repositories_of_ours_grow(better: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign" / "model").mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a Triton repository that ran-deploy made"):
        add(better, tmp_path / "foreign")


def test_a_plan_has_to_take_the_batches_that_are_served(tmp_path: Path) -> None:
    package([plan_engine(tmp_path / "a.plan")], tmp_path / "plans", format="triton")
    with pytest.raises(UsageError, match=r"--max-batch is 32, but .*small.plan takes at most 16"):
        add(plan_engine(tmp_path / "small.plan", profile=(1, 8, 16)), tmp_path / "plans")
    rtx = plan_engine(tmp_path / "rtx.plan", flavour="tensorrt-rtx")
    with pytest.raises(UsageError, match="runs in Triton's back end python, but a is one for tensorrt"):
        add(rtx, tmp_path / "plans")
    add(plan_engine(tmp_path / "large.plan", profile=(1, 8, 64)), tmp_path / "plans")
    assert lint_repository(tmp_path / "plans").findings == ()


def test_checksums_follow(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    package([plan_engine(tmp_path / "a.plan")], plans, format="triton", triton=TritonOptions(checksum=True))
    add(plan_engine(tmp_path / "b.plan", profile=(1, 16, 64)), plans)
    text = (plans / "a" / "config.pbtxt").read_text()
    assert "MD5:1/model.plan" in text
    assert "MD5:2/model.plan" in text
    assert lint_repository(plans).findings == ()


def test_a_repository_that_lost_its_engine(models: Path, better: Path) -> None:
    (models / "small" / "1" / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match="has no engine with a manifest"):
        add(better, models)
