"""What ``archs --arch NAME`` says about a network's options."""

import dataclasses
from typing import Any

import pytest

from ran_deploy.arch.describe import describe_options
from ran_deploy.arch.registry import arch_entries, arch_names, create_model
from ran_deploy.errors import UsageError


@pytest.mark.parametrize("arch", arch_names())
def test_every_option_has_words(arch: str) -> None:
    options = describe_options(arch)
    (entry, *_) = [entry for entry in arch_entries() if entry.name == arch]
    assert [option.name for option in options] == [field.name for field in dataclasses.fields(entry.options)]
    assert all(option.text.endswith(".") for option in options)


def test_defaults_and_choices() -> None:
    found = {option.name: option for option in describe_options("att452")}
    assert (found["p"].default, found["mask_depths"].default) == (2, [3, 2, 1])
    assert found["attention"].choices == ("mixed", "channel", "spatial")
    assert found["width"].choices == ()
    assert found["mask_units"].default == "downward"


def test_an_unknown_network_gets_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        describe_options("att65")
    assert "att56" in caught.value.fix


def test_the_words_name_values_that_the_network_takes() -> None:
    for option in describe_options("att56"):
        for choice in option.choices:
            chosen: dict[str, Any] = {option.name: choice}
            create_model("att56", width=0.125, **chosen)
