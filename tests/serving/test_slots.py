import numpy as np

from ran_deploy.serving.slots import Layout, SharedMemory, Slots

LAYOUT = Layout(slots=2, max_batch=3, dtype="float32", image=(3, 5, 5), classes=7)


def test_what_one_side_writes_the_other_reads_and_slots_do_not_touch() -> None:
    memory = SharedMemory()
    mine, theirs = Slots(memory.enlarged(LAYOUT.total_bytes), LAYOUT), Slots(memory.descriptor, LAYOUT)
    memory.close()
    rng = np.random.default_rng(3)
    images = [rng.normal(size=(3, 3, 5, 5)).astype(np.float32) for _ in range(2)]
    logits = [rng.normal(size=(3, 7)).astype(np.float32) for _ in range(2)]
    for slot in range(2):
        mine.images(slot, 3)[:] = images[slot]
        theirs.logits(slot, 3)[:] = logits[slot]
    for slot in range(2):
        np.testing.assert_array_equal(theirs.images(slot, 3), images[slot])
        np.testing.assert_array_equal(mine.logits(slot, 3), logits[slot])
        np.testing.assert_array_equal(mine.logits(slot, 2), logits[slot][:2])


def test_everything_begins_at_a_cache_line() -> None:
    assert LAYOUT.images_bytes == 960  # 3 × 75 × 4 = 900
    assert LAYOUT.slot_bytes == 960 + 128  # 3 × 7 × 4 = 84
