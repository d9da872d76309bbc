import numpy as np
import pytest
import torch
from torch import nn

from ran_deploy.arch.deployable import Deployable
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import InputKind, make_contract
from ran_deploy.data.preprocess import to_engine_input


@pytest.mark.parametrize("dataset", ["cifar10", "imagenet"])
def test_uint8_in_the_graph_equals_the_preprocessing_definition(dataset: str) -> None:
    info = dataset_info(dataset)
    labels = tuple(str(index) for index in range(info.classes))
    images = np.random.default_rng(0).integers(0, 256, (2, info.size, info.size, 3), dtype=np.uint8)

    def normalized(kind: InputKind) -> torch.Tensor:
        contract = make_contract(info, labels, kind)
        out = Deployable(nn.Identity(), contract)(torch.from_numpy(to_engine_input(images, contract)))
        assert isinstance(out, torch.Tensor)
        return out

    assert torch.allclose(normalized("uint8"), normalized("float32-nchw"), atol=2e-6)
