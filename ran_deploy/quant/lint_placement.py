"""Lint rules on where Q/DQ nodes stand, for what TensorRT fuses.

Source: NVIDIA TensorRT documentation, "Explicit Quantization", its recommendations on the placement of Q/DQ.
"""

from collections import Counter, deque
from collections.abc import Iterator

import onnx

from ran_deploy.quant.finding import Finding, finding
from ran_deploy.quant.qdq_view import (
    DEQUANTIZE,
    QUANTIZE,
    RESHAPING,
    TYPE_ONLY,
    WEIGHTED,
    GraphView,
    first_output,
    input_name,
    is_operator_format,
    is_quantized,
    label,
)

_FUSED_BEHIND = ("BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Elu")
"""What TensorRT fuses into the convolution in front, unless Q/DQ separates them."""
_INT8_READERS = (
    *(*WEIGHTED, *_FUSED_BEHIND, "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Upsample", "Concat"),
    *("Add", "Sub", "Mul", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Pad"),
)
"""Operators that gain from an INT8 input."""
_PASSING = ("MaxPool", "AveragePool", "Resize", "Upsample", "Concat")
"""Operators without weights that move or pool values: INT8 in only pays with INT8 out."""


def operator_format(view: GraphView) -> Iterator[Finding]:
    """The model is in Q/DQ form, not in that of fused integer operators."""
    for node in view.nodes:
        if is_operator_format(node.op_type):
            message = f"{node.op_type} is of the integer operator format; TensorRT's parser takes Q/DQ nodes only."
            yield finding(
                "operator-format", "error", node, message, "Quantize the float32 model again, in Q/DQ format."
            )


def names(view: GraphView) -> Iterator[Finding]:
    """Every node has a name of its own, by which the parser and the check of the obtained precision know it."""
    counts = Counter(node.name for node in view.nodes if node.name)
    for node in view.nodes:
        if (times := counts.pop(node.name, 1)) > 1:
            message = f"{times} nodes have this name; TensorRT's parser may refuse the second."
            yield finding("duplicate-name", "error", node, message, "Give every node a name of its own.")


def biases(view: GraphView) -> Iterator[Finding]:
    """A bias stays in float."""
    for node in view.of_type("Conv", "ConvTranspose", "Gemm"):
        dequantize = view.dequantizer(input_name(node, 2))
        if dequantize is None:
            continue
        fix = f"Give {label(node)} its bias in float (onnxruntime: QuantizeBias=False)."
        if view.integer_type(dequantize) == "int32":
            message = f"The bias of {label(node)} is int32; TensorRT's parser refuses to dequantize that."
            yield finding("bias-quantized", "error", dequantize, message, fix)
        else:
            message = f"The bias of {label(node)} has 8 bits only, which costs accuracy and gains no speed."
            yield finding("bias-quantized", "warning", dequantize, message, fix)


def half_quantized(view: GraphView) -> Iterator[Finding]:
    """A convolution or product has both inputs quantized, or none."""
    for node in view.of_type(*WEIGHTED):
        data, weights = (view.dequantizer(input_name(node, index)) is not None for index in (0, 1))
        if data != weights:
            message = f"Only its {'activation' if data else 'weights'} passed Q/DQ, so it runs in float."
            fix = f"Put Q/DQ on its {'weights' if data else 'activation'} too, or on neither."
            yield finding("half-quantized", "error", node, message, fix)


def outputs(view: GraphView) -> Iterator[Finding]:
    """Nothing separates a convolution from its BN and ReLU, and no output is rounded for a reader in float."""
    for quantize in view.of_type(QUANTIZE):
        source = view.producer(input_name(quantize, 0), TYPE_ONLY)
        if source is None or source.op_type not in WEIGHTED:
            continue
        readers = [
            (dequantize, reader)
            for dequantize, _ in view.consumers(quantize)
            if dequantize.op_type == DEQUANTIZE
            for reader, _ in view.consumers(dequantize, TYPE_ONLY)
        ]
        names = {reader.op_type for _, reader in readers}
        alone = len(view.consumers(source, TYPE_ONLY)) == 1 and len(readers) == 1
        if alone and names <= set(_FUSED_BEHIND):
            reader = readers[0][1]
            message = f"Q/DQ stands between {source.op_type} {label(source)} and its {reader.op_type} {label(reader)}."
            fix = f"Move it behind {label(reader)}; its range then leaves out what {reader.op_type} cuts off."
            yield finding("conv-activation-split", "warning", quantize, message, fix)
        elif not names & set(_INT8_READERS):
            where = f"{', '.join(sorted(names))}" if names else "the model's output"
            message = f"The output of {source.op_type} {label(source)} is rounded to 8 bits for {where}, in float."
            yield finding("output-quantized", "warning", quantize, message, "Leave this output in float.")


def residual_adds(view: GraphView) -> Iterator[Finding]:
    """On a residual add the skip operand is quantized, and the convolution's is not, so that the add fuses."""
    for node in view.of_type("Add"):
        if len(node.input) != 2 or not all(view.is_activation(name) for name in node.input):
            continue
        pairs = [view.dequantizer(name) for name in node.input]
        sources = [_source(view, name, pair) for name, pair in zip(node.input, pairs, strict=True)]
        convolutions = [source is not None and is_quantized(view, source) for source in sources]
        if not any(convolutions):
            continue
        quantized = [pair is not None for pair in pairs]
        if all(quantized):
            message = "Both of its operands are quantized, so it does not fuse with the convolution in front."
            fix = "Leave the convolution's operand in float."
        elif not any(quantized):
            message = "Neither of its operands is quantized: the skip is read in float."
            fix = "Put Q/DQ on the skip operand, not on the convolution's."
        elif convolutions == quantized:
            message = "The convolution's operand is quantized instead of the skip."
            fix = "Move the Q/DQ to the skip operand."
        else:
            continue
        yield finding("residual-add", "warning", node, message, fix)


def passing(view: GraphView) -> Iterator[Finding]:
    """A pool, resize or concatenation that takes INT8 gives INT8."""
    for node in view.of_type(*_PASSING):
        data = node.input if node.op_type == "Concat" else node.input[:1]
        if not data or any(view.dequantizer(name) is None for name in data):
            continue
        readers = view.consumers(node, RESHAPING)
        if not any(reader.op_type == QUANTIZE for reader, _ in readers):
            message = f"It takes INT8 and gives float: {node.op_type} gains nothing, and its input was rounded."
            yield finding("float-output", "warning", node, message, "Put Q/DQ on its output too, or on neither.")


def islands(view: GraphView) -> Iterator[Finding]:
    """No convolution in float stands between quantized ones."""
    weighted = list(view.of_type(*WEIGHTED))
    plain = [node for node in weighted if not any(view.dequantizer(name) for name in node.input[:2])]
    if not plain or len(plain) == len(weighted):
        return
    for node in plain:
        before = _reaches(view, node, forward=False)
        if before and _reaches(view, node, forward=True):
            message = f"{node.op_type} is in float between quantized layers."
            yield finding(
                "float-island", "info", node, message, "Quantize its inputs, unless it was left out on purpose."
            )


def _source(view: GraphView, name: str, pair: onnx.NodeProto | None) -> onnx.NodeProto | None:
    """The node whose result an operand is, in front of its Q/DQ and of a BatchNormalization."""
    if pair is not None:
        quantize = view.quantizer(pair)
        name = input_name(quantize if quantize is not None else pair, 0)
    return view.producer(name, (*TYPE_ONLY, "BatchNormalization"))


def _reaches(view: GraphView, start: onnx.NodeProto, *, forward: bool) -> bool:
    """Whether a quantized convolution or product comes before or behind a node, with none in float between."""
    pending, seen = deque([start]), {first_output(start)}
    while pending:
        node = pending.popleft()
        if forward:
            near = [reader for reader, _ in view.consumers(node)]
        else:
            makers = (view.producer(name) for name in node.input)
            near = [maker for maker in makers if maker is not None]
        for other in near:
            if first_output(other) in seen:
                continue
            seen.add(first_output(other))
            if other.op_type not in WEIGHTED:
                pending.append(other)
            elif is_quantized(view, other):
                return True
    return False
