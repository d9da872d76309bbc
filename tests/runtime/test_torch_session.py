from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ran_deploy.arch.checkpoint import load_checkpoint
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.manifest import read_manifest
from ran_deploy.runtime.open import open_engine
from ran_deploy.runtime.torch_session import TorchSession


def _images(count: int) -> Any:
    return np.random.default_rng(2).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_normalizes_as_the_contract_says(engines: Any) -> None:
    images = _images(3)
    network, _ = load_checkpoint(engines.checkpoint)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    with torch.inference_mode():
        expected = network(((pixels - 0.5) / 0.25).float()).numpy()
    with open_engine(engines.checkpoint) as session:
        actual = session.run(images)
    assert np.abs(expected - actual).max() < 1e-5


def test_says_what_runs(engines: Any) -> None:
    before = torch.get_num_threads()
    try:
        with open_engine(engines.checkpoint, threads=1) as session:
            info = session.info
    finally:
        torch.set_num_threads(before)
    assert (info.runtime, info.device, info.precision, info.threads) == ("torch", "cpu", "fp32", 1)


def test_takes_read_only_and_reversed_arrays(engines: Any) -> None:
    images = _images(3)
    frozen = images.copy()
    frozen.setflags(write=False)
    with open_engine(engines.checkpoint) as session:
        expected = session.run(images)
        assert np.allclose(session.run(frozen), expected, atol=1e-6)
        assert np.allclose(session.run(images[::-1]), expected[::-1], atol=1e-6)


def test_refuses_another_type_and_a_closed_session(engines: Any) -> None:
    session = open_engine(engines.checkpoint)
    with pytest.raises(UsageError, match="is float32; this engine takes uint8"):
        session.run(_images(1).astype(np.float32))
    session.close()
    with pytest.raises(UsageError, match="is closed"):
        session.run(_images(1))


def test_checkpoint_of_another_network_than_its_manifest_says(engines: Any) -> None:
    manifest = read_manifest(engines.checkpoint)
    assert manifest is not None
    with pytest.raises(IntegrityError, match="holds att56 for synthetic with 10 classes; its manifest says att92"):
        TorchSession(engines.checkpoint, manifest=replace(manifest, arch="att92"))
