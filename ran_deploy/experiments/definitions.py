"""The comparisons of networks that the source documents publish: who was compared, on what, with which figures.

Sources, as the tables name them:
    Columbia report: H. Nair, Y. Jain and A. Raj, "Residual Attention Network for Image Classification", Columbia
        University; figures 2 and 13.
    Stanford report: T. Edirisooriya, "Residual Attention Networks for Image Classification", Stanford University;
        figure 12.
    Wang et al.: "Residual Attention Network for Image Classification", CVPR 2017, arXiv 1704.06904; section 4.1.

Figures are accuracies in percent; where a source gives an error, the accuracy is 100 minus it.
"""

import difflib
import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ran_deploy.errors import UsageError
from ran_deploy.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of the compared networks."""

    name: str
    """Unique in its experiment; names the folder of its runs."""
    label: str
    """What the source calls it."""
    arch: str
    published: float
    """The source's top-1 accuracy, in percent."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The network's options."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What its training differs in, by the source's own design, such as the label noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A published comparison, and how it is trained here."""

    name: str
    title: str
    dataset: str
    source: str
    """Where the figures are published."""
    setting: str
    """The published budget, in words."""
    recipe: Recipe
    """What every network is trained with; epochs, seed and held-out images come from the plan."""
    contenders: tuple[Contender, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    """The comparisons that the source makes, by names; empty: every network with every other."""

    @property
    def orderings(self) -> tuple[tuple[Contender, Contender], ...]:
        """The published orderings: pairs of networks, the one with the higher published accuracy first."""
        named = {contender.name: contender for contender in self.contenders}
        ranked = sorted(self.contenders, key=lambda contender: -contender.published)
        pairs = [(named[a], named[b]) for a, b in self.pairs] or list(itertools.combinations(ranked, 2))
        return tuple((a, b) if a.published > b.published else (b, a) for a, b in pairs)


# The sources name the optimizer (Adam, which the Columbia report tried too) and the augmentation, and little else. Adam
# at its default rate trains every one of the networks, the plain CNN without batch normalization among them.
_COLUMBIA = Recipe(
    optimizer="adam",
    batch=32,
    lr=1e-3,
    warmup_epochs=0.25,
    weight_decay=1e-4,
    label_smoothing=0.0,
    ema=0.0,
)
_STANFORD = Recipe(
    optimizer="adam",
    batch=32,
    lr=1e-3,
    schedule="exponential",
    gamma=0.96,
    decay_steps=1000,
    warmup_epochs=0.0,
    weight_decay=0.0,
    label_smoothing=0.0,
    ema=0.0,
    crop_padding=0,
    flip=False,
)
# The paper's own (section 4.1): Nesterov SGD, batch 64, 0.1 to begin with, weight decay 1e-4, pad-4 crop and flip; the
# falls at 64k and 96k of 160k steps, as fractions.
_PAPER = Recipe(
    batch=64,
    lr=0.1,
    schedule="step",
    milestones=(0.4, 0.6),
    warmup_epochs=0.0,
    weight_decay=1e-4,
    label_smoothing=0.0,
    ema=0.0,
)
_of_paper = functools.partial(
    Experiment,
    dataset="cifar10",
    setting="160,000 steps of batch 64 on all 50,000 training images (205 epochs)",
    recipe=_PAPER,
)
_NOISE = ((10, 5.93, 5.15), (30, 6.61, 5.79), (50, 8.35, 7.27), (70, 17.21, 15.75))
"""Percent of noisy labels, and the published errors of ResNet-164 and of Attention-92."""


def _learning(modules: str, residual: float, naive: float) -> tuple[Contender, Contender]:
    arch, label = f"att{modules}", f"Attention-{modules}"
    return (
        Contender(name=f"arl-{modules}", label=f"{label} ARL", arch=arch, published=round(100 - residual, 2)),
        Contender(
            name=f"nal-{modules}",
            label=f"{label} NAL",
            arch=arch,
            published=round(100 - naive, 2),
            options={"learning": "naive"},
        ),
    )


EXPERIMENTS = (
    Experiment(
        name="columbia",
        title="The Columbia report's ranking on CIFAR-10",
        dataset="cifar10",
        source="Columbia report, figure 13",
        setting="100 epochs over all 50,000 training images on one NVIDIA T4",
        recipe=_COLUMBIA,
        contenders=(
            Contender(name="naive-cnn", label="Naive CNN", arch="naive-cnn", published=76.9),
            Contender(name="resnet-152", label="ResNet-152", arch="resnet152", published=66.67),
            # The report does not say on which depth it learned naively; Attention-56 is the one that it found best.
            Contender(name="nal", label="NAL", arch="att56", published=76.38, options={"learning": "naive"}),
            Contender(name="attention-56", label="Attention-56", arch="att56", published=77.67),
            Contender(name="attention-92", label="Attention-92", arch="att92", published=70.93),
        ),
    ),
    Experiment(
        name="stanford",
        title="The Stanford report's networks on Tiny ImageNet",
        dataset="tiny-imagenet",
        source="Stanford report, figure 12",
        setting="at most 25 epochs over all 100,000 training images, some networks less",
        recipe=_STANFORD,
        contenders=(
            Contender(name="no-attention", label="No Attention", arch="attn-none", published=48.0),
            Contender(name="attn-simple", label="Attn-Simple", arch="attn-simple", published=46.7),
            Contender(name="attn-reduction", label="Attn-Reduction", arch="attn-reduction", published=32.7),
            Contender(name="no-attention-extra", label="No Attention Extra", arch="attn-none-extra", published=48.2),
        ),
    ),
    _of_paper(
        name="arl-vs-nal",
        title="Attention residual learning against naive attention learning on CIFAR-10",
        source="Wang et al., as the Columbia report, figure 2, gives them",
        contenders=(
            *_learning("56", 5.52, 5.89),
            *_learning("92", 4.99, 5.35),
            *_learning("128", 4.44, 5.57),
            *_learning("164", 4.31, 7.18),
        ),
        pairs=(
            *((f"arl-{modules}", f"nal-{modules}") for modules in ("56", "92", "128", "164")),
            ("arl-92", "arl-56"),
            ("arl-128", "arl-92"),
            ("arl-164", "arl-128"),
        ),
    ),
    _of_paper(
        name="attention-type",
        title="Mixed, channel and spatial attention on CIFAR-10",
        source="Wang et al., section 4.1, quoted from memory and not checked against the paper",
        contenders=(
            Contender(name="mixed", label="Mixed", arch="att56", published=94.48),
            Contender(name="channel", label="Channel", arch="att56", published=93.76, options={"attention": "channel"}),
            Contender(name="spatial", label="Spatial", arch="att56", published=93.67, options={"attention": "spatial"}),
        ),
    ),
    _of_paper(
        name="noise",
        title="Attention-92 and ResNet-164 under label noise on CIFAR-10",
        source="Wang et al., section 4.1; but for 70% noise quoted from memory and not checked against the paper",
        contenders=tuple(
            Contender(
                name=f"{name}-{percent}",
                label=f"{label}, {percent}% noise",
                arch=arch,
                published=round(100 - error, 2),
                recipe={"label_noise": percent / 100},
            )
            for percent, resnet, attention in _NOISE
            for name, label, arch, error in (
                ("attention-92", "Attention-92", "att92", attention),
                ("resnet-164", "ResNet-164", "resnet164", resnet),
            )
        ),
        pairs=tuple((f"attention-92-{percent}", f"resnet-164-{percent}") for percent, _, _ in _NOISE),
    ),
    _of_paper(
        name="mask",
        title="Encoder-decoder masks and local ones on CIFAR-10",
        source="Wang et al., section 4.1, quoted from memory and not checked against the paper",
        contenders=(
            Contender(name="encoder-decoder", label="Encoder-decoder", arch="att56", published=94.48),
            Contender(
                name="local", label="Local convolutions", arch="att56", published=93.52, options={"mask": "local"}
            ),
        ),
    ),
)


def find_experiment(name: str) -> Experiment:
    """Return the experiment ``name``.

    Raises:
        UsageError: There is none of that name.
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known experiments: {', '.join(known)}."
        raise UsageError(f"There is no experiment {name!r}.", fix=hint)
    return known[name]
