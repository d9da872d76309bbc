import copy

import pytest
import torch
from torch import nn

from ran_deploy.train.group import Group
from ran_deploy.train.inputs import Part
from ran_deploy.train.optim import make_optimizer
from ran_deploy.train.recipe import Recipe
from ran_deploy.train.step import Stepper
from tests.train.small import CLASSES, SIZE, SmallNet

INPUTS = torch.randn(16, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
LABELS = torch.softmax(torch.randn(16, CLASSES, generator=torch.Generator().manual_seed(1)) * 4, 1)


def update(model: nn.Module, parts: int, scaler: torch.amp.GradScaler | None = None) -> tuple[nn.Module, list[float]]:
    """Return a copy of the model after one step of so many parts, and what the step returned."""
    model = copy.deepcopy(model)
    recipe = Recipe(batch=16, accumulate=parts, precision="fp32", momentum=0.0)
    scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)
    stepper = Stepper(model, make_optimizer(model, recipe), scaler, recipe, Group())
    cut = [Part(*pair) for pair in zip(INPUTS.chunk(parts), LABELS.chunk(parts), strict=True)]
    return model, stepper.step(cut, 0.5).tolist()


def difference(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((first - second).detach().abs().max()) for first, second in pairs)


def test_parts_give_the_update_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))
    whole, seen = update(plain, 1)
    assert difference(plain, whole) > 1e-2
    for parts in (2, 8):
        cut, also_seen = update(plain, parts)
        assert difference(whole, cut) < 1e-6
        assert also_seen == pytest.approx(seen, abs=1e-6)
    # Batch normalization sees a part and not the whole, and so the update differs.
    normalized = SmallNet()
    assert difference(update(normalized, 1)[0], update(normalized, 2)[0]) > 1e-4


def test_scaling_the_loss_by_a_power_of_two_changes_nothing_and_overflow_skips_the_step() -> None:
    torch.manual_seed(0)
    model = SmallNet()
    scaled, _ = update(model, 2, torch.amp.GradScaler("cpu", init_scale=1024.0))
    assert difference(scaled, update(model, 2)[0]) == 0
    model.layers[-1].weight.data.mul_(1e4)  # type: ignore[operator]  # gradients that the scale takes to infinity
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    skipped, _ = update(model, 1, scaler)
    assert difference(skipped, model) == 0
    assert scaler.get_scale() == 2.0**126


def test_what_a_step_returns() -> None:
    torch.manual_seed(0)
    model = SmallNet().eval()
    _, (loss, right) = update(model, 1)
    logits = copy.deepcopy(model).train()(INPUTS)
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, LABELS).item(), abs=1e-6)
    assert right == int((logits.argmax(1) == LABELS.argmax(1)).sum())
