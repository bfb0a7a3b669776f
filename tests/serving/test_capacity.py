"""Places and bytes: taken, refused with a hint, and given back once."""

import pytest

from deepfake_tf.errors import GatewayBusyError
from serving.capacity import Capacity


def test_places_are_refused_when_taken_and_free_when_left():
    capacity = Capacity(places={"call": 2, "job": 1}, max_bytes=10)
    with capacity.enter("call"), capacity.enter("call") as second:
        with pytest.raises(GatewayBusyError, match="2 videos are being worked on") as caught:
            capacity.enter("call")
        assert 1 <= caught.value.retry_after_sec <= 30
        capacity.enter("job").close()
        second.close()
        second.close()
        capacity.enter("call").close()
    assert capacity.num_taken("call") == 0


def test_bytes_of_all_uploads_together_are_bounded():
    capacity = Capacity(places={"call": 9}, max_bytes=10)
    with capacity.enter("call") as first, capacity.enter("call") as second:
        first.reserve(6)
        first.reserve(4)
        with pytest.raises(GatewayBusyError, match="room"):
            second.reserve(5)
        second.reserve(4)
        assert capacity.num_bytes == 10
        # What was announced is not counted again as it comes.
        first.reserve(6)
        first.close()
        second.reserve(10)
    assert capacity.num_bytes == 0


def test_those_who_come_again_are_told_how_long_it_usually_takes():
    capacity = Capacity(places={"call": 1}, max_bytes=10)

    def hint():
        with capacity.enter("call"), pytest.raises(GatewayBusyError) as caught:
            capacity.enter("call")
        return caught.value.retry_after_sec

    first = hint()
    for _ in range(30):
        capacity.enter("call").close()
    # Videos have turned out to take no time at all.
    assert hint() == 1 < first
