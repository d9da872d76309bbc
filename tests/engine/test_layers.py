"""The engine's layers, read from the builder's log."""

from ran_deploy.engine.layers import parse_layers
from tests.engine.lines import CASK, CLASSIFIER, FUSED_FLOAT, PADDING, RESIZE, SHAPE_CALL, STEM


def test_a_convolution() -> None:
    (layer,) = parse_layers([STEM])
    assert (layer.name, layer.kind) == ("node_Conv_1521_myl0_2", "correlation")
    assert (layer.inputs, layer.weights, layer.outputs) == (("fp16",), "fp16", ("fp16",))
    assert layer.weight_count == 144
    assert layer.origins == ("node_Conv_1521", "node_relu")


def test_types_differ_within_a_layer() -> None:
    padding, classifier, fused = parse_layers([PADDING, CLASSIFIER, FUSED_FLOAT])
    assert (padding.inputs, padding.weights, padding.outputs) == (("uint8",), "fp32", ("fp16",))
    assert (classifier.weights, classifier.outputs) == ("fp16", ("fp32",))
    assert (fused.inputs, fused.weight_count, fused.outputs) == (("fp32", "fp32"), 64, ("fp32", "fp32"))


def test_layers_without_weights_or_tensors() -> None:
    resize, shape = parse_layers([RESIZE, SHAPE_CALL])
    assert (resize.weights, resize.weight_count, resize.inputs) == (None, 0, ("fp16",))
    assert (shape.inputs, shape.outputs, shape.origins) == ((), (), ())


def test_the_form_of_tensorrt_10() -> None:
    (layer,) = parse_layers([CASK])
    assert (layer.kind, layer.inputs, layer.outputs) == ("CaskConvolution", ("fp16",), ("fp32",))
    assert (layer.weights, layer.weight_count, layer.origins) == ("fp16", 36864, ("conv_a", "relu_a"))


def test_layers_are_found_among_other_messages() -> None:
    log = ["Registering layer: a for ONNX node: a", f"Layers:\n{STEM}\n{RESIZE}\n\nI/O Tensors:\n Name: images", ""]
    assert [layer.kind for layer in parse_layers(log)] == ["correlation", "runtime_function"]
    assert parse_layers(["nothing", "here"]) == ()
