"""The mean over an image and its mirror image, by an engine that sees the left half only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ran_deploy.cli.app import run
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.dataset import ArrayDataset
from ran_deploy.data.synthetic import make_synthetic
from ran_deploy.manifest import publish, read_manifest
from ran_deploy.runtime.flip import flip_session
from ran_deploy.runtime.open import open_engine


@pytest.fixture
def left_half(make_means: Any) -> Any:
    def make(**options: Any) -> Path:
        whole: Path = make_means("whole.onnx", **options)
        model, size = onnx.load(whole), options.get("size", 4)
        graph = model.graph
        for name, value in (("from", 0), ("to", size // 2), ("across", 2)):
            graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
        graph.node[1].input[0] = "left"
        graph.node.insert(1, helper.make_node("Slice", ["pixels", "from", "to", "across"], ["left"]))
        manifest = read_manifest(whole)
        assert manifest is not None
        path = whole.with_name("left.onnx")
        publish(path, model.SerializeToString(), manifest)
        return path

    return make


def test_the_mirror_image_counts_as_much_and_the_plain_accuracy_stays(left_half: Any) -> None:
    images = np.zeros((4, 4, 4, 3), np.uint8)
    images[:, :, :2, 0] = 100  # the left half of each is red
    images[:2, :, 2:, 1] = 200  # the right half of two is a stronger green, of the others a weaker one
    images[2:, :, 2:, 1] = 50
    info = replace(dataset_info("synthetic"), classes=3, size=4)
    labels = ("red", "green", "blue")
    dataset = ArrayDataset(info, "test", labels, images, np.array([1, 1, 0, 1], np.int64))
    with open_engine(left_half(labels=labels)) as session:
        result = flip_session(session, dataset, batch=3)
    assert (result.samples, result.top1) == (4, 25.0)  # plain: red always
    assert result.flip.top1 == 75.0  # (50, 100) is green, (50, 25) is red
    assert result.flip.top1_ci95 != result.top1_ci95
    paired = result.flip.paired
    assert (paired.only_candidate_right, paired.only_reference_right, paired.difference_points) == (2, 0, 50.0)


def test_the_command_names_it_apart(left_half: Any, capsys: pytest.CaptureFixture[str]) -> None:
    labels = make_synthetic("test").labels
    weights = np.random.default_rng(0).normal(size=(3, 10))
    engine = str(left_half(labels=labels, weights=weights, size=32))
    arguments = ["eval", "--engine", engine, "--dataset", "synthetic", "--limit", "40"]
    assert run([*arguments, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "flip" not in plain
    assert run([*arguments, "--flip", "--json"]) == 0
    flipped = json.loads(capsys.readouterr().out)
    apart = flipped.pop("flip")
    assert flipped == plain
    assert 0 <= apart["top1"] <= 100
    assert run([*arguments, "--flip"]) == 0
    assert "with each image's mirror image, at twice the cost  top-1" in capsys.readouterr().out
    for other in (["--details"], ["--against", engine]):
        assert run([*arguments, "--flip", *other]) == 2
        assert "--flip is a measurement of its own" in capsys.readouterr().err
    assert run([*arguments, "--flip", "--max-drop", "1"]) == 2
    assert "--max-drop limits" in capsys.readouterr().err
