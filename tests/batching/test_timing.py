import threading
import time

import pytest

from deepfake_tf.batching.timing import Timing, read_text


def test_time_adds_up_over_threads():
    timing = Timing()

    def work():
        for _ in range(50):
            with timing.stage("work"):
                time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    work = timing.snapshot()["work"]
    assert work["count"] == 200
    assert work["total_sec"] >= 0.2
    assert work["each_ms"] == pytest.approx(1000 * work["total_sec"] / 200)


def test_a_written_snapshot_is_told_as_it_was(tmp_path):
    timing = Timing()
    with timing.stage("decode"):
        time.sleep(0.01)
    timing.write(tmp_path / "timing.json")
    decode, elapsed = read_text(tmp_path / "timing.json").splitlines()
    assert decode == timing.to_text().splitlines()[0]
    assert elapsed.startswith("elapsed")
    assert read_text(tmp_path / "nowhere.json") == ""


def test_a_stage_that_fails_is_counted():
    timing = Timing()
    with pytest.raises(ValueError, match="no"), timing.stage("work"):
        raise ValueError("no")
    assert timing.snapshot()["work"]["count"] == 1


def test_waiting_is_told_from_working():
    timing = Timing()

    def slow():
        for number in range(3):
            time.sleep(0.02)
            yield number

    for number in timing.watch(slow()):
        time.sleep(0.05 * (number >= 0))
    wait = timing.snapshot()["wait"]
    assert wait["count"] == 4
    # What is left is the work, however slow the machine.
    assert 0.06 <= wait["total_sec"] <= timing.snapshot()["elapsed"]["total_sec"] - 0.15
