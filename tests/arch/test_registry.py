import pytest
import torch

from ran_deploy.arch.ran import ENTRIES
from ran_deploy.arch.registry import arch_entries, arch_names, create_model, index
from ran_deploy.errors import UsageError


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        create_model("att65")
    assert "att56" in caught.value.fix
    with pytest.raises(UsageError) as caught:
        create_model("att56", "cifar")
    assert "cifar10" in caught.value.fix


def test_classes_can_be_chosen() -> None:
    assert create_model("att56", num_classes=7, width=0.25)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(UsageError, match="classes is 1"):
        create_model("att56", num_classes=1)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        index(ENTRIES, ENTRIES[:1])


def test_names_and_layouts() -> None:
    assert {"att56", "att92"} <= set(arch_names())
    assert {entry.layout for entry in arch_entries() if entry.name == "att56"} == {"cifar", "imagenet"}
