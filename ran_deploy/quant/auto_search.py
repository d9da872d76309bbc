"""The search for as few groups in float as the accuracy needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from ran_deploy.config import to_mapping
from ran_deploy.errors import GateError
from ran_deploy.graph.parity import compare_logits
from ran_deploy.graph.tolerance import tolerance_for
from ran_deploy.quant.accuracy import Evaluation, prove_accuracy
from ran_deploy.quant.observed import engine_inputs
from ran_deploy.quant.ranking import GroupCost, SensitivityPlan
from ran_deploy.quant.trial import logits_of
from ran_deploy.quant.variants import Variants


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A model that the gate has judged."""

    given_back: int
    """How many of the costliest groups were left in float."""
    passed: bool
    finding: str
    """What the gate said."""


class Judge:
    """Asks the gate whether a model with some groups in float is good enough, and remembers what it said.

    Args:
        variants: The network's partly quantized forms.
        plan: The ranking's; its held-out images serve where there is no evaluation.
        evaluation: Labelled images of the accuracy gate; None: agreement with float32.
        halves: Whether what is not INT8 is float16.
    """

    def __init__(
        self, variants: Variants, plan: SensitivityPlan, evaluation: Evaluation | None, *, halves: bool
    ) -> None:
        self.trials: list[Trial] = []
        self._variants, self._source, self._evaluation, self._halves = variants, plan.source, evaluation, halves
        self._inputs = list(engine_inputs(plan.source.contract, plan.held_out))

    def __call__(self, groups: Sequence[GroupCost]) -> bool:
        """Return whether the model with these groups in float holds the gate."""
        keep = frozenset(node for group in groups for node in group.nodes)
        passed, finding = self._agreement(keep) if self._evaluation is None else self._accuracy(keep)
        self.trials.append(Trial(given_back=len(groups), passed=passed, finding=finding))
        return passed

    def _accuracy(self, keep: frozenset[str]) -> tuple[bool, str]:
        candidate = self._variants.build(keep, halves=self._halves)
        try:
            found = prove_accuracy(self._variants.model, candidate, self._source, "int8", self._evaluation)
        except GateError as error:
            return False, error.message
        return True, str((found or {}).get("gate", {}).get("summary", ""))

    def _agreement(self, keep: frozenset[str]) -> tuple[bool, str]:
        contract, rule = self._source.contract, tolerance_for(("int8",))
        expected = logits_of(self._variants.model, contract, self._inputs)
        actual = logits_of(self._variants.judged(keep, halves=self._halves), contract, self._inputs)
        metrics = compare_logits(expected, actual)
        finding = (
            f"{100 * metrics.top1_agreement:.2f}% agreement on {metrics.images} held-out images, SQNR "
            f"{metrics.sqnr_db:.1f} dB; expected {rule.text()}"
        )
        # The answers of random weights are ties that noise decides.
        return rule.holds(metrics) if self._source.weights == "trained" else metrics.not_finite == 0, finding


def fewest(ranked: Sequence[GroupCost], holds: Judge) -> tuple[GroupCost, ...]:
    """Return as few of the costliest groups as it takes, by doubling and bisection; one at least stays INT8.

    Raises:
        GateError: The gate does not hold even with all groups but one in float; the details hold the trials.
    """
    failed, count, most = 0, 1, len(ranked) - 1
    while count <= most and not holds(ranked[:count]):
        failed, count = count, most if count < most < 2 * count else 2 * count
    if count > most:
        raise GateError(
            f"INT8 does not hold the gate, not even with {max(most, 0)} of {len(ranked)} groups back in float.",
            fix="Calibrate on more images or with another --method, allow more with --max-drop, or use fp16.",
            details={"groups": [row.group for row in ranked], "trials": to_mapping(holds.trials)},
        )
    while count - failed > 1:
        middle = (count + failed) // 2
        failed, count = (failed, middle) if holds(ranked[:middle]) else (middle, count)
    return tuple(ranked[:count])
