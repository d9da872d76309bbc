"""The layers of a built engine, read from the builder's log: the only way to know them without a GPU.

With ``ProfilingVerbosity.DETAILED`` both flavours log one line for each layer: name, type, the types of its
inputs, constants and outputs, and the ONNX nodes that it came from. TensorRT 10 joins format and data type
("Format/Datatype: Row major linear FP32") where TensorRT 11 and RTX have "Datatype: Float".
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

_TENSOR = re.compile(r"\{ ?Name: (.*?)\}")
_DIMENSIONS = re.compile(r"Dimensions: \[([^\]]*)\]")
_DATATYPE = re.compile(r"(?<!Format/)Datatype: (\w+)")
_FORMAT = re.compile(r"Format/Datatype: ([^,}]*)")
_WEIGHTS = re.compile(r'Weights: \{ ?"?Type"?: "?(\w+)"?, "?Count"?: (\d+)')
_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_TYPES = {
    "float": "fp32",
    "fp32": "fp32",
    "half": "fp16",
    "fp16": "fp16",
    "bfloat16": "bf16",
    "bf16": "bf16",
    "int8": "int8",
    "uint8": "uint8",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of an engine."""

    name: str
    kind: str
    """The builder's own word, such as "correlation" or "CaskConvolution"."""
    inputs: tuple[str, ...]
    """Types of the inputs, such as "fp16"."""
    outputs: tuple[str, ...]
    """Types of the outputs."""
    weights: str | None
    """Type of the largest constant; None for a layer without."""
    weight_count: int
    """Elements of the largest constant."""
    origins: tuple[str, ...]
    """Names of the ONNX nodes that it computes."""


def parse_layers(messages: Iterable[str]) -> tuple[Layer, ...]:
    """Return the layers that a builder has logged, in order."""
    # Not splitlines: it would split at the record separators (0x1e) between a layer's ONNX origins, too.
    lines = (line.strip() for message in messages if "LayerType: " in message for line in message.split("\n"))
    return tuple(_layer(line) for line in lines if line.startswith("Name: ") and ", LayerType: " in line)


def _layer(line: str) -> Layer:
    name, rest = line.removeprefix("Name: ").split(", LayerType: ", 1)
    kind = rest.split(",", 1)[0]
    head, _, outputs = rest.partition("Outputs: [")
    inputs, _, constants = head.partition("Constants: [")
    outputs = re.split(r"TacticName: |ParameterType: ", outputs, maxsplit=1)[0]
    stated = _WEIGHTS.search(rest)
    candidates = [(_type(stated[1]), int(stated[2]))] if stated else _tensors(constants)
    weights, weight_count = max(candidates, key=lambda constant: constant[1], default=(None, 0))
    return Layer(
        name=name,
        kind=kind,
        inputs=tuple(datatype for datatype, _ in _tensors(inputs)),
        outputs=tuple(datatype for datatype, _ in _tensors(outputs)),
        weights=weights,
        weight_count=weight_count,
        origins=tuple(_ORIGIN.findall(rest)),
    )


def _tensors(text: str) -> list[tuple[str, int]]:
    """Type and number of elements of each tensor; dynamic sides count as one."""
    found = []
    for tensor in _TENSOR.findall(text):
        sides = _DIMENSIONS.search(tensor)
        count = math.prod(abs(int(side)) for side in sides[1].split(",") if side.strip()) if sides else 0
        if plain := _DATATYPE.search(tensor):
            found.append((_type(plain[1]), count))
        elif joined := _FORMAT.search(tensor):
            words = [word for word in joined[1].lower().split() if word in _TYPES]
            found.append((_type(words[0]) if words else joined[1], count))
    return found


def _type(word: str) -> str:
    return _TYPES.get(word.lower(), word.lower())
