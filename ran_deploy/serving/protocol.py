"""An inference request and its answer in the Open Inference Protocol v2, whatever carries them.

HTTP and gRPC translate into these types; what a request may ask for is decided here, once. Sources: the protocol's
"Inference" section, and Triton's extensions for classification and for the parameters of a request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ran_deploy.errors import UsageError
from ran_deploy.manifest import Contract, TensorSpec
from ran_deploy.runtime.session import Logits
from ran_deploy.serving.tensors import DATATYPES, TEXT, check_shape

MAX_TEXT = 1024
"""Characters that a request's id or a name in it may have."""
_MAX_TIMEOUT_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An output that a request asks for."""

    name: str
    classes: int = 0
    """Number of likeliest classes to return as text; 0: the tensor itself."""
    binary: bool = False
    """Whether HTTP returns it as raw bytes; gRPC always does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An inference request, checked against the model's contract but for the sizes, which the model checks."""

    images: npt.NDArray[Any]
    wanted: tuple[Wanted, ...]
    id: str = ""
    timeout_s: float | None = None
    """What the client asked for; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output tensor of an answer: numbers, or texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Logits | tuple[bytes, ...]
    binary: bool


def only_input(names: Sequence[str], spec: TensorSpec) -> None:
    """Check that a request has the model's one input and nothing else.

    Raises:
        UsageError: It has none, another, or several.
    """
    if list(names) != [spec.name]:
        got = ", ".join(repr(name)[:80] for name in names[:8]) or "none"
        raise UsageError(f"The request has the inputs {got}; this model has exactly one, {spec.name!r}.")


def tensor_shape(spec: TensorSpec, datatype: object, shape: object) -> tuple[int, ...]:
    """Return an input's shape after checking that its type is the model's.

    Raises:
        UsageError: It has another type, or the shape is not one.
    """
    expected = DATATYPES[spec.dtype]
    if datatype != expected:
        raise UsageError(f"The input {spec.name!r} is {datatype!r:.80}; this model takes {expected!r}.")
    return check_shape(shape, spec.name)


def wanted_outputs(
    asked: Sequence[tuple[object, Mapping[str, Any]]], contract: Contract, *, binary: bool
) -> tuple[Wanted, ...]:
    """Return the outputs to answer with.

    Args:
        asked: Name and parameters of each output that the request names; empty: all of the model's.
        contract: The model's.
        binary: Whether outputs are raw bytes where the request does not say it of each.

    Raises:
        UsageError: An output that the model does not have, one asked for twice, or a parameter of a wrong type.
    """
    only = contract.output.name
    if not asked:
        return (Wanted(name=only, binary=binary),)
    found = []
    for name, parameters in asked:
        if name != only:
            raise UsageError(f"The request asks for the output {name!r:.80}; this model has {only!r}.")
        raw = parameters.get("binary_data", binary)
        classes = parameters.get("classification", 0)
        if type(raw) is not bool:
            raise UsageError(f"The parameter binary_data is {raw!r:.80}; expected true or false.")
        if type(classes) is not int or classes < 0:
            raise UsageError(f"The parameter classification is {classes!r:.80}; expected a number of classes.")
        found.append(Wanted(name=only, classes=min(classes, len(contract.labels)), binary=raw))
    if len(found) > 1:
        raise UsageError(f"The request asks for the output {only!r} {len(found)} times.", fix="Ask for it once.")
    return tuple(found)


def request_id(value: object) -> str:
    """Return a request's id.

    Raises:
        UsageError: It is not a text of at most :data:`MAX_TEXT` characters.
    """
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise UsageError(f"The request's id is {value!r:.80}; expected a text of at most {MAX_TEXT} characters.")
    return value


def timeout_s(parameters: Mapping[str, Any]) -> float | None:
    """Return the parameter ``timeout``, in microseconds, as seconds; 0 and none mean no limit.

    Raises:
        UsageError: It is not a whole number from 0 to an hour.
    """
    value = parameters.get("timeout", 0)
    if type(value) is not int or not 0 <= value <= _MAX_TIMEOUT_US:
        raise UsageError(f"The parameter timeout is {value!r:.80}; expected microseconds, from 0 to {_MAX_TIMEOUT_US}.")
    return value / 1e6 or None


def answer(logits: Logits, call: Call, contract: Contract) -> tuple[Output, ...]:
    """Return the outputs that a request asked for.

    Args:
        logits: float32 [N, classes].
        call: The request.
        contract: The model's, for the labels.
    """
    return tuple(_output(logits, wanted, contract) for wanted in call.wanted)


def _output(logits: Logits, wanted: Wanted, contract: Contract) -> Output:
    if not wanted.classes:
        return Output(
            name=wanted.name,
            datatype=DATATYPES[logits.dtype.name],
            shape=logits.shape,
            values=logits,
            binary=wanted.binary,
        )
    best = np.argsort(-logits, axis=1, kind="stable")[:, : wanted.classes]
    texts = tuple(
        f"{row[index]:f}:{index}:{contract.labels[index]}".encode()
        for row, chosen in zip(logits, best, strict=True)
        for index in chosen
    )
    return Output(name=wanted.name, datatype=TEXT, shape=best.shape, values=texts, binary=wanted.binary)


def finite(output: Output) -> bool:
    """Whether JSON can hold an output: it has no way to write a NaN or an infinity."""
    return not isinstance(output.values, np.ndarray) or bool(np.isfinite(output.values).all())
