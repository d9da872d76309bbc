"""Float16 arithmetic put back in where ONNX Runtime leaves it out."""

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from onnx import TensorProto

from ran_deploy.data.probes import generated_images
from ran_deploy.quant.fp16 import to_fp16
from ran_deploy.quant.simulate import rounding_model


def run(model: onnx.ModelProto, *outputs: str) -> list[npt.NDArray[np.float32]]:
    for name in outputs[1:]:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(list(outputs), {"images": generated_images(8, 32)})]


def test_every_value_is_a_float16_number(model: onnx.ModelProto) -> None:
    for value in run(rounding_model(to_fp16(model)), "logits", "stem", "bn", "up", "fused", "flat"):
        assert np.array_equal(value, value.astype(np.float16).astype(np.float32))


def test_the_answers_are_near_those_of_float32(model: onnx.ModelProto) -> None:
    (expected,) = run(model, "logits")
    (rounded,) = run(rounding_model(to_fp16(model)), "logits")
    assert 0 < np.abs(rounded - expected).max() < 1e-2


def test_overflow_shows_where_onnx_runtime_hides_it(hot: onnx.ModelProto) -> None:
    half = to_fp16(hot)
    assert np.isfinite(run(half, "logits")[0]).all()
    assert not np.isfinite(run(rounding_model(half), "logits")[0]).all()


def test_the_model_is_valid_and_its_contract_kept(model: onnx.ModelProto) -> None:
    half = to_fp16(model)
    rounded = rounding_model(half)
    onnx.checker.check_model(rounded, full_check=True)
    assert (rounded.graph.input, rounded.graph.output) == (half.graph.input, half.graph.output)
