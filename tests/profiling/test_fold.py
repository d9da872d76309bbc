import pytest

from ran_deploy.profiling.fold import cost_kernels
from ran_deploy.profiling.sample import KernelTime
from tests.profiling.by_hand import RUN_US, unit_costs, unit_result

TENSOR = 4 * 8 * 8 * 4  # bytes
STEM_WEIGHTS = 4 * 4 * 9 * 4


def test_kernels_get_their_part_and_work() -> None:
    found = {cost.name: cost for cost in unit_costs()}
    stem = found["relu_nchwc"]
    assert stem.part == "stem"  # its convolution's, which has the work, and not its Relu's
    assert stem.nodes == ("stages.0.preact.0/Conv", "stages.0.preact.1/Relu")
    assert stem.macs == 4 * 64 * 36
    assert stem.moved_bytes == 2 * TENSOR + STEM_WEIGHTS
    assert stem.gflops == pytest.approx(2 * 9216 / 20e-6 / 1e9)
    assert stem.intensity == pytest.approx(2 * 9216 / 2624)
    assert stem.bound_us == pytest.approx(max(2 * 9216 / 100e9, 2624 / 10e9) * 1e6)
    assert stem.roofline == pytest.approx(0.2624 / 20)
    assert stem.share == 0.2
    assert found["ReorderOutput"].part == "reorder"
    assert found["mystery"].part == "other"
    assert found["mystery"].bound_us is None
    assert found["stages.1/Add"].gflops is None
    assert found["p_nchwc"].part == "stage 1 mask down"


def test_parts_and_types_sum_up_to_the_total() -> None:
    result = unit_result()
    assert result.total.us == 57.0
    assert result.overhead_us == RUN_US - 57.0
    for groups in (result.parts, result.types):
        assert sum(group.us for group in groups) == 57.0
        assert sum(group.kernels for group in groups) == result.total.kernels == 9
        assert sum(group.macs for group in groups) == result.total.macs == 9216 + 1024
        assert sum(group.moved_bytes for group in groups) == result.total.moved_bytes
        assert [group.us for group in groups] == sorted((group.us for group in groups), reverse=True)
    assert {part.name: part.us for part in result.parts} == {
        "stem": 20.0,
        "stage 1 trunk": 10.0,
        "stage 1 mask up": 10.0,
        "stage 1 fusion": 8.0,
        "stage 1 mask down": 5.0,
        "reorder": 3.0,
        "other": 1.0,
    }
    assert {kind.name: kind.us for kind in result.types}["Conv"] == 30.0
    assert all(kind.branch is None for kind in result.types)


def test_without_a_roofline() -> None:
    assert {cost.bound_us for cost in unit_costs(roofline=None)} == {None}


def test_without_a_graph_names_are_all_there_is() -> None:
    kernels = [
        KernelTime(name="layer", op="Conv", us=2.0, claims=("stages.1.trunk.0.body.4/Conv", "layer")),
        KernelTime(name="__myl_1", op="kgen", us=1.0, claims=("__myl_1",)),
        KernelTime(name="Reshape_token_5", op="Reshape", us=1.0, claims=("Reshape_token_5",)),
        KernelTime(name="stages.1.mask/Reformat", op="Reformat", us=1.0, claims=("stages.1.mask/x",)),
    ]
    costs = cost_kernels(kernels, None, run_us=8.0, roofline=None)
    assert [cost.part for cost in costs] == ["stage 1 trunk", "other", "reorder", "reorder"]
    assert [cost.share for cost in costs] == [0.25, 0.125, 0.125, 0.125]
    assert {cost.macs for cost in costs} == {0}


def test_a_kernel_that_takes_no_time() -> None:
    (cost,) = cost_kernels([KernelTime(name="k", op="Conv", us=0.0, claims=())], None, run_us=1.0, roofline=None)
    assert cost.gflops is None
    assert cost.roofline is None
