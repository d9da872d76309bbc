"""The accuracy on the images held out of the training split."""

import torch
from torch import nn

from ran_deploy.train.augment import to_input
from ran_deploy.train.examples import Examples
from ran_deploy.train.feeder import Feeder
from ran_deploy.train.group import Group
from ran_deploy.train.step import Stepper

_BATCH = 250


@torch.no_grad()
def validate(network: nn.Module, examples: Examples, feeder: Feeder, stepper: Stepper, group: Group) -> float | None:
    """Return the percent of the held-out images that a network gets right at full size; None if there are none.

    Each process of the group measures its share of them. The network is left in evaluation mode.
    """
    if not len(examples.validation):
        return None
    info, own = examples.dataset.info, examples.validation[group.rank :: group.size]
    network.eval()
    correct = torch.zeros(1, dtype=torch.int64, device=next(network.parameters()).device)
    for start in range(0, len(own), _BATCH):
        indices = own[start : start + _BATCH]
        logits = stepper.logits(network, to_input(feeder.batch(indices), info.mean, info.std, info.size))
        correct += (logits.argmax(1) == torch.from_numpy(examples.dataset.targets[indices]).to(correct.device)).sum()
    return 100 * int(group.sum(correct).item()) / len(examples.validation)
