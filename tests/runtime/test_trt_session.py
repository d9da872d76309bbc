"""What a session asks of the GPU and of TensorRT, against stand-ins that record it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ran_deploy.errors import IncompatibleError, IntegrityError, MissingError, RanDeployError, UsageError
from ran_deploy.files import write_bytes
from ran_deploy.manifest import (
    DYNAMIC,
    BatchProfile,
    Build,
    Contract,
    Manifest,
    Precision,
    Preprocessing,
    TensorSpec,
    publish,
)
from ran_deploy.runtime import trt_runner
from ran_deploy.runtime.gpu import Gpu as GpuName
from ran_deploy.runtime.plan_preflight import Approval
from ran_deploy.runtime.trt_cache import runtime_cache_path
from ran_deploy.runtime.trt_session import TrtSession
from tests.runtime.gpu_stand_in import CLASSES, HANDLE, SCRATCH_BYTES, SIZE, STANDS_FOR, Gpu, Library, rtx

IMAGE_BYTES = SIZE * SIZE * 3


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def gpu() -> Gpu:
    return Gpu()


class Plan:
    """A plan beside its manifest, and sessions of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "means.plan"
        contract = Contract(
            input=TensorSpec(name="images", dtype="uint8", shape=(DYNAMIC, SIZE, SIZE, 3), layout="NHWC"),
            output=TensorSpec(name="logits", dtype="float32", shape=(DYNAMIC, CLASSES), layout="NC"),
            preprocessing=Preprocessing(resize=None, size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
            labels=("red", "green", "blue"),
        )
        build = Build(
            flavour="tensorrt",
            version=rtx.__version__,
            targets=("sm89",),
            gpu=None,
            profile=BatchProfile(min_batch=1, opt_batch=8, max_batch=64),
            optimization_level=3,
        )
        described = Manifest(
            kind="plan",
            arch=None,
            dataset=None,
            contract=contract,
            precision=Precision(asked="fp16", obtained={"fp16": 3}),
            parents=(),
            key="test",
            build=build,
        )
        self.manifest = publish(self.path, lambda target: write_bytes(target, b"the plan"), described)

    def open(self, library: Library, **options: Any) -> TrtSession:
        approval = Approval(
            flavour="tensorrt-rtx" if library.is_rtx else "tensorrt",
            library=library,
            gpu=GpuName(name="NVIDIA X", capability=89),
        )
        return TrtSession(self.path, approval, library.gpu, **{"manifest": self.manifest, **options})


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path)


def pixels(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def means(images: np.ndarray) -> np.ndarray:
    return np.asarray(images.mean(axis=(1, 2), dtype=np.float32))


def steps(gpu: Gpu) -> list[str]:
    return [str(entry[0]) for entry in gpu.log]


FIRST_RUN = [
    "context", "profile", "shape", "scratch", "address", "address",
    "enqueue", "synchronize", "begin capture", "enqueue", "end capture",
    "upload", "launch graph", "download", "synchronize",
]  # fmt: skip
LATER_RUN = ["upload", "launch graph", "download", "synchronize"]


def test_the_order_of_the_first_run_and_of_the_later_ones(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        gpu.log.clear()
        images = pixels(3)
        assert np.array_equal(session.run(images), means(images))
        assert steps(gpu) == FIRST_RUN
        gpu.log.clear()
        assert np.array_equal(session.run(images[::-1]), means(images)[::-1])  # any memory layout
        assert steps(gpu) == LATER_RUN


def test_shapes_sizes_and_addresses(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        session.run(pixels(3))
        said = {str(entry[0]): entry[1:] for entry in gpu.log}
        addresses = {entry[1]: entry[2] for entry in gpu.log if entry[0] == "address"}
        assert said["profile"] == (0,)
        assert said["shape"] == ("images", (3, SIZE, SIZE, 3))
        assert said["upload"] == (addresses["images"], 3 * IMAGE_BYTES)
        assert said["download"] == (addresses["logits"], 3 * CLASSES * 4)
        assert said["scratch"][1] == SCRATCH_BYTES
        # Everything was allocated once, for the largest batch.
        sizes = sorted(len(content) for content in gpu.memory.values())
        assert sizes == sorted([64 * IMAGE_BYTES, 64 * CLASSES * 4, SCRATCH_BYTES])


def test_each_batch_size_has_its_context_and_graph_over_the_same_memory(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        for count in (1, 64, 1, 5, 64, 1):
            images = pixels(count, seed=count)
            assert np.array_equal(session.run(images), means(images))
        assert steps(gpu).count("context") == 3
        assert steps(gpu).count("begin capture") == 3
        assert len({entry for entry in gpu.log if entry[0] in ("address", "scratch")}) == 3


def test_the_longest_unused_batch_size_gives_way(gpu: Gpu, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trt_runner, "_MOST_LANES", 2)
    with plan.open(Library(gpu)) as session:
        for count in (1, 2, 1, 3):
            session.run(pixels(count))
        assert (steps(gpu).count("free context"), steps(gpu).count("close graph")) == (1, 1)
        gpu.log.clear()
        session.run(pixels(1))
        assert steps(gpu) == LATER_RUN  # 2 was the one to go
        images = pixels(2)
        assert np.array_equal(session.run(images), means(images))


def test_the_profile_tuned_for_the_nearest_batch_is_chosen(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu, profiles=((1, 1, 8), (4, 32, 64)))) as session:
        chosen = []
        for count in (1, 8, 4, 33):
            gpu.log.clear()
            session.run(pixels(count))
            chosen += [entry[1] for entry in gpu.log if entry[0] == "profile"]
        assert chosen == [0, 0, 0, 1]
        with pytest.raises(UsageError, match=r"has 65 images; .*means.plan takes 1 to 8, 4 to 64"):
            session.run(pixels(65))


def test_a_batch_outside_the_profiles_reaches_nothing(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu, profiles=((4, 8, 16),))) as session:
        gpu.log.clear()
        for count in (3, 17):
            with pytest.raises(UsageError, match=f"has {count} images; .* takes 4 to 16") as caught:
                session.run(pixels(count))
            assert "--max-batch" in caught.value.fix
        assert gpu.log == []
        session.run(pixels(4))


def test_a_batch_that_breaks_the_contract_reaches_nothing(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        gpu.log.clear()
        with pytest.raises(UsageError, match="is float32; this engine takes uint8"):
            session.run(pixels(1).astype(np.float32))
        with pytest.raises(UsageError, match="at least one image"):
            session.run(pixels(0))
        assert gpu.log == []


@pytest.mark.parametrize(
    "error",
    [RanDeployError("CUDA could not capture a CUDA graph: X."), MissingError("Capturing needs cuda.bindings.")],
)
def test_without_graphs_where_none_can_be_captured(
    gpu: Gpu, plan: Plan, capsys: pytest.CaptureFixture[str], error: RanDeployError
) -> None:
    gpu.capture_error = error
    with plan.open(Library(gpu)) as session:
        for count in (2, 2, 3):
            images = pixels(count)
            assert np.array_equal(session.run(images), means(images))
        assert steps(gpu).count("begin capture") == 1
        assert "launch graph" not in steps(gpu)
    assert capsys.readouterr().err == f"warning: {plan.path} runs without CUDA graphs: {error.message}\n"


def test_without_graphs_where_they_are_not_wanted(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu), graphs=False) as session:
        gpu.log.clear()
        session.run(pixels(2))
        assert steps(gpu)[-4:] == ["upload", "enqueue", "download", "synchronize"]
        assert "begin capture" not in steps(gpu)


def test_a_run_that_tensorrt_refuses_is_no_answer(gpu: Gpu, plan: Plan) -> None:
    library = Library(gpu)
    with plan.open(library, graphs=False) as session:
        session.run(pixels(2))
        library.refuses_run = True
        gpu.log.clear()
        with pytest.raises(RanDeployError, match=r"tensorrt refuses to run it for .*means.plan: the kernel is missing"):
            session.run(pixels(2))
        assert "download" not in steps(gpu)
        library.refuses_run = False
        images = pixels(2, seed=2)
        assert np.array_equal(session.run(images), means(images))


def test_a_first_run_that_tensorrt_refuses_is_not_the_graphs_fault(
    gpu: Gpu, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    library = Library(gpu)
    with plan.open(library) as session:
        library.refuses_run = True
        with pytest.raises(RanDeployError, match="refuses to run it"):
            session.run(pixels(2))
        library.refuses_run = False
        images = pixels(2)
        assert np.array_equal(session.run(images), means(images))
        assert "launch graph" in steps(gpu)
    assert capsys.readouterr().err == ""


def test_a_plan_that_is_not_deserialized(gpu: Gpu, plan: Plan) -> None:
    library = Library(gpu)
    library.refuses_plan = True
    with pytest.raises(IncompatibleError) as caught:
        plan.open(library)
    assert caught.value.message == (
        f"tensorrt {rtx.__version__} cannot deserialize {plan.path}: the plan is for another driver."
    )
    assert gpu.closed == 1


def test_a_plan_that_changed_since_it_was_verified_is_not_deserialized(gpu: Gpu, plan: Plan) -> None:
    plan.path.write_bytes(b"another plan")
    with pytest.raises(IntegrityError, match="was changed while it was opened"):
        plan.open(Library(gpu))
    assert gpu.log == []
    assert gpu.closed == 1


def test_an_engine_with_another_input_than_its_manifest(gpu: Gpu, plan: Plan) -> None:
    library = Library(gpu)
    library.input_type = rtx.DataType.FLOAT
    with pytest.raises(IntegrityError, match=r"has the input 'images' float32 .* its contract says 'images' uint8"):
        plan.open(library)
    assert gpu.closed == 1
    assert steps(gpu)[-1] == "free engine"


def test_labels_that_do_not_fit_free_everything(gpu: Gpu, plan: Plan) -> None:
    other = replace(plan.manifest, contract=replace(plan.manifest.contract, labels=("red",)))
    with pytest.raises(IntegrityError, match="names 1 labels for 3 logits"):
        plan.open(Library(gpu), manifest=other)
    assert gpu.closed == 1


@pytest.mark.parametrize("allocations", range(5))
def test_too_little_memory_leaves_none_allocated(gpu: Gpu, plan: Plan, allocations: int) -> None:
    gpu.allocations_left = allocations
    with pytest.raises(MissingError, match="too little free memory"):
        plan.open(Library(gpu))
    assert gpu.closed == 1  # which asserts that nothing is left
    assert steps(gpu)[-2:] == ["close stream", "free engine"]


def test_closing_frees_graphs_contexts_and_engine_in_this_order(gpu: Gpu, plan: Plan) -> None:
    session = plan.open(Library(gpu))
    session.run(pixels(1))
    gpu.log.clear()
    session.close()
    session.close()
    assert steps(gpu) == ["close graph", "free context", "free engine", "close stream"]
    assert gpu.closed == 1
    with pytest.raises(UsageError, match="is closed"):
        session.run(pixels(1))


def test_threads_may_share_a_session(gpu: Gpu, plan: Plan) -> None:
    batches = [pixels(count, seed=count) for count in (1, 2, 3, 4)] * 8
    together = threading.Barrier(4)

    def work(share: list[np.ndarray]) -> list[np.ndarray]:
        together.wait()
        return [session.run(batch) for batch in share]

    with plan.open(Library(gpu)) as session, ThreadPoolExecutor(4) as pool:
        found = pool.map(work, [batches[start::4] for start in range(4)])
    for start, answers in enumerate(found):
        for batch, answer in zip(batches[start::4], answers, strict=True):
            assert np.array_equal(answer, means(batch))


def test_what_runs_is_said(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        info = session.info
    assert (info.runtime, info.provider, info.precision) == ("tensorrt", "stand-in", "fp16")
    assert info.device == "cuda:0 (NVIDIA X, sm89)"
    assert info.versions == {"tensorrt": rtx.__version__, "stand-in": "1"}
    assert info.sha256 == plan.manifest.sha256


def test_the_time_on_the_gpu_lies_between_the_copies(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        images = pixels(2)
        session.run(images)
        gpu.log.clear()
        logits, device_ms = session.run_timed(images)
    assert np.array_equal(logits, means(images))
    assert device_ms == 2.0
    assert steps(gpu)[:6] == ["upload", "record", "launch graph", "record", "download", "synchronize"]


def test_on_trust_the_contract_is_the_engines_own(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu), manifest=None) as session:
        assert session.contract.input == plan.manifest.contract.input
        assert session.contract.labels == ("0", "1", "2")
        assert session.info.precision == "unknown"
    library = Library(gpu := Gpu())
    library.input_type = rtx.DataType.INT8
    with pytest.raises(UsageError, match="takes INT8"):
        plan.open(library, manifest=None)
    assert gpu.closed == 1


def test_an_engine_with_a_fixed_batch(gpu: Gpu, plan: Plan) -> None:
    library = Library(gpu, batch=4, profiles=((4, 4, 4),))
    with plan.open(library, manifest=None) as session:
        images = pixels(4)
        assert np.array_equal(session.run(images), means(images))
        with pytest.raises(UsageError, match=r"takes uint8 \[4 × 4 × 4 × 3\]|this engine takes \[4"):
            session.run(pixels(3))


class OnGpu:
    """A tensor of another library in the stand-in's memory, which begins at a multiple of 256 bytes or beside one."""

    def __init__(self, gpu: Gpu, images: np.ndarray, *, aligned: bool = True, device: int = 0) -> None:
        room = np.zeros(images.nbytes + 1024, np.uint8)
        start = -room.ctypes.data % 256 + (0 if aligned else 16)
        self.content = room[start : start + images.nbytes].reshape(images.shape)
        self.content[:] = images
        self.address = self.content.ctypes.data
        gpu.memory[self.address] = self.content.reshape(-1)
        self._gpu, self._device = gpu, device
        self.streams: list[int | None] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self._device)

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self.streams.append(stream)
        return self.content.__dlpack__()

    def free(self) -> None:
        del self._gpu.memory[self.address]


def test_a_tensor_on_the_gpu_is_read_where_it_lies(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        session.run(pixels(2))
        for seed in (5, 6):
            images = pixels(2, seed=seed)
            tensor = OnGpu(gpu, images)
            gpu.log.clear()
            assert np.array_equal(session.run(tensor), means(images))
            assert tensor.streams == [HANDLE]  # its producer orders its own work before ours
            assert ("address", "images", tensor.address) in gpu.log
            assert not {"upload", "copy", "launch graph"} & set(steps(gpu))  # a graph would read the old address
            tensor.free()
        images = pixels(2, seed=7)
        assert np.array_equal(session.run(images), means(images))  # the captured graph still reads its own


def test_a_misaligned_tensor_is_moved_within_the_gpu(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        images = pixels(2)
        tensor = OnGpu(gpu, images, aligned=False)
        logits, device_ms = session.run_timed(tensor)
        assert np.array_equal(logits, means(images))
        assert device_ms == 2.0
        assert "copy" in steps(gpu)
        tensor.free()


def test_tensors_on_the_gpu_meet_the_contract_too(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu)) as session:
        wrong = OnGpu(gpu, pixels(2).reshape(2, SIZE, 3, SIZE))
        with pytest.raises(UsageError, match=r"is \[2 × 4 × 3 × 4\]; this engine takes \[N × 4 × 4 × 3\]"):
            session.run(wrong)
        wrong.free()
        elsewhere = OnGpu(gpu, pixels(2), device=1)
        with pytest.raises(UsageError, match="is on the GPU 1; this engine runs on GPU 0"):
            session.run(elsewhere)
        elsewhere.free()


def test_tensorrt_rtx_captures_its_graphs_itself(gpu: Gpu, plan: Plan) -> None:
    with plan.open(Library(gpu, is_rtx=True)) as session:
        images = pixels(2)
        assert np.array_equal(session.run(images), means(images))
        assert "begin capture" not in steps(gpu)
        tensor = OnGpu(gpu, images)
        assert np.array_equal(session.run(tensor), means(images))
        tensor.free()
        # Addresses that change would have it capture again in each run.
        assert [entry[1] for entry in gpu.log if entry[0] == "context"] == ["WHOLE_GRAPH_CAPTURE", "DISABLED"]
    with plan.open(Library(gpu, is_rtx=True), graphs=False) as session:
        gpu.log.clear()
        session.run(pixels(1))
        assert ("context", "DISABLED") in gpu.log


def test_tensorrt_rtx_keeps_its_kernels_for_the_next_start(gpu: Gpu, plan: Plan) -> None:
    stored = runtime_cache_path(plan.manifest.sha256)
    with plan.open(Library(gpu, is_rtx=True)) as session:
        session.run(pixels(2))
        assert not stored.exists()
    assert stored.read_bytes() == b"kernels"
    with plan.open(Library(gpu, is_rtx=True)):
        pass
    assert stored.read_bytes() == b"kernels"
    stored.write_bytes(b"of another version")
    with plan.open(Library(gpu, is_rtx=True)) as session:
        session.run(pixels(2))
    assert stored.read_bytes() == b"kernels"


def test_a_cache_that_cannot_be_written_hinders_nothing(
    gpu: Gpu, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RAN_DEPLOY_CACHE", str(tmp_path / "file"))
    with plan.open(Library(gpu, is_rtx=True)) as session:
        session.run(pixels(2))
    assert gpu.closed == 1


@pytest.mark.parametrize("stand_in", STANDS_FOR, ids=lambda kind: kind.__name__)
def test_the_stand_in_offers_only_what_the_real_library_has(stand_in: type, gpu: Gpu) -> None:
    """What the runner uses of TensorRT is on the stand-in, or its tests would fail; so all of it is real."""
    library = Library(gpu, is_rtx=True)
    made = {
        "Engine": lambda: stand_in(library, None),
        "Context": lambda: stand_in(None, library, None, None),
    }.get(stand_in.__name__)
    names = {name for name in dir(made() if made else stand_in) if not name.startswith("_")}
    missing = names - set(dir(getattr(rtx, STANDS_FOR[stand_in])))
    assert not missing
    assert names
