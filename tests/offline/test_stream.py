"""Order, batches, and decoding that runs ahead, but not far."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.data.dataset import Images
from ran_deploy.data.preprocess import load_image
from ran_deploy.errors import GateError, IntegrityError, UsageError
from ran_deploy.offline import stream
from ran_deploy.offline.inputs import Inputs
from ran_deploy.offline.item import Item
from ran_deploy.offline.options import RowOptions
from ran_deploy.offline.stream import predict_items
from ran_deploy.runtime.open import open_engine
from tests.offline.conftest import MakeFolder
from tests.quant.small import publish_model, small_model


def test_each_image_gets_its_own_answer(engine: Path, make_folder: MakeFolder) -> None:
    folder = make_folder(10)
    options = RowOptions(batch=4, top=3, logits=True)
    with open_engine(engine) as session:
        batches = list(predict_items(session, Inputs([folder]).items(), options))
        rule = session.contract.preprocessing
        expected = [session.run(load_image(path, rule)[None])[0] for path in sorted(folder.iterdir())]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    for prediction, logits in zip([one for batch in batches for one in batch], expected, strict=True):
        assert prediction.logits is not None
        assert np.allclose(prediction.logits, logits, atol=1e-4)
        assert prediction.top[0].index == logits.argmax()
        assert len(prediction.top) == 3
    assert len({one.top[0].probability for batch in batches for one in batch}) == 10, "the pictures are told apart"


def test_a_damaged_image_is_an_error_in_its_place(engine: Path, make_folder: MakeFolder) -> None:
    inputs = Inputs([make_folder(9, damaged=(0, 4, 5, 6, 7))])
    with open_engine(engine) as session:
        batches = list(predict_items(session, inputs.items(), RowOptions(batch=4)))
    found = [one for batch in batches for one in batch]
    assert [place for place, one in enumerate(found) if one.error] == [0, 4, 5, 6, 7]
    assert [place for place, one in enumerate(found) if not one.top] == [0, 4, 5, 6, 7]
    assert "004.png" in str(found[4].error)


def test_strict_ends_at_the_first_in_order(engine: Path, make_folder: MakeFolder) -> None:
    inputs = Inputs([make_folder(9, damaged=(6, 7))])
    with open_engine(engine) as session:
        batches = predict_items(session, inputs.items(), RowOptions(batch=4, strict=True))
        assert len(next(batches)) == 4
        with pytest.raises(IntegrityError, match=r"006\.png"):
            next(batches)


def test_logits_that_are_not_finite_end_the_run(tmp_path: Path, make_folder: MakeFolder) -> None:
    model = small_model()
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "fc_b")
    bias.raw_data = np.full(10, np.inf, np.float32).tobytes()
    publish_model(model, tmp_path / "infinite.onnx")
    with open_engine(tmp_path / "infinite.onnx") as session, pytest.raises(GateError, match="not finite"):
        list(predict_items(session, Inputs([make_folder(2)]).items(), RowOptions()))


def test_takes_no_more_than_fits_ahead(engine: Path, make_folder: MakeFolder) -> None:
    taken = 0

    def counted(items: Iterator[Item]) -> Iterator[Item]:
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    with open_engine(engine) as session:
        batches = predict_items(session, counted(Inputs([make_folder(40)]).items()), RowOptions(batch=4))
        for done in range(1, 8):
            next(batches)
            assert taken <= 4 * done + 2 * 4 + 1
        batches.close()
    assert taken < 40


def test_images_are_decoded_while_the_engine_runs(
    engine: Path, make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = threading.Event()

    def load(item: Item, rule: Any) -> Images:
        assert isinstance(item.content, Path)
        if item.content.name == "004.png":  # of the second batch
            assert running.wait(60)
            ahead.set()
        return load_image(item.content, rule)

    running = threading.Event()

    def run_images(session: Any, images: Images) -> Any:
        running.set()
        assert ahead.wait(60), "the next batch is not decoded before this one is done"
        return session.run(images)

    monkeypatch.setattr(stream, "load", load)
    monkeypatch.setattr(stream, "run_images", run_images)
    monkeypatch.setattr(stream, "usable_cpus", lambda: 2)
    with open_engine(engine) as session:
        assert len(list(predict_items(session, Inputs([make_folder(8)]).items(), RowOptions(batch=4)))) == 2


@pytest.mark.parametrize("name", ["top", "batch"])
def test_counts_are_positive(name: str) -> None:
    with pytest.raises(UsageError, match="expected at least 1"):
        RowOptions(**{name: 0})  # type: ignore[arg-type]
