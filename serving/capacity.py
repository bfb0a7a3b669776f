"""How much the gateway takes on at a time: places for videos, and bytes for their uploads.

What is more is refused with a hint when to come again, before it takes memory.
"""

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Self

from deepfake_tf.errors import GatewayBusyError

_FIRST_GUESS_SEC = 10.0
_SHARE_OF_THE_NEWEST = 0.2
_RETRY_RANGE_SEC = (1.0, 30.0)


class Capacity:
    """Counts what is taken. Safe to use from several threads."""

    def __init__(self, *, places: Mapping[str, int], max_bytes: int) -> None:
        """Makes an empty count.

        Args:
            places: how many videos of each kind may be there at a time.
            max_bytes: of all uploads together.
        """
        self._places = dict(places)
        self._max_bytes = max_bytes
        self._taken = dict.fromkeys(places, 0)
        self._num_bytes = 0
        self._usual_sec = _FIRST_GUESS_SEC
        self._lock = threading.Lock()

    @property
    def num_bytes(self) -> int:
        """Of all uploads that are there or were announced."""
        return self._num_bytes

    def num_taken(self, kind: str) -> int:
        """Returns how many places of a kind are taken."""
        return self._taken[kind]

    def enter(self, kind: str) -> "Place":
        """Takes a place.

        Raises:
            GatewayBusyError: there is none.
        """
        with self._lock:
            if self._taken[kind] >= self._places[kind]:
                raise self._busy(f"{self._places[kind]} videos are being worked on, which is as many as are taken on.")
            self._taken[kind] += 1
        return Place(self, kind)

    def _reserve(self, held: int, wanted: int) -> int:
        with self._lock:
            if wanted > held and self._num_bytes + wanted - held > self._max_bytes:
                raise self._busy("The uploads that are being worked on take all the room there is.")
            self._num_bytes += max(0, wanted - held)
        return max(held, wanted)

    def _leave(self, kind: str, num_bytes: int, seconds: float) -> None:
        with self._lock:
            self._taken[kind] -= 1
            self._num_bytes -= num_bytes
            self._usual_sec += _SHARE_OF_THE_NEWEST * (seconds - self._usual_sec)

    def _busy(self, message: str) -> GatewayBusyError:
        # A place gets free sooner, but those who wait for one are many: were all told of the next, all but one came
        # in vain.
        wait_sec = self._usual_sec / 2
        low, high = _RETRY_RANGE_SEC
        return GatewayBusyError(f"{message} Try again later.", min(max(wait_sec, low), high))


class Place:
    """One video's place, with room for its upload; a context manager that gives both back."""

    def __init__(self, capacity: Capacity, kind: str) -> None:
        self._capacity, self._kind = capacity, kind
        self._num_bytes = 0
        self._begin = time.monotonic()
        self._closed = contextlib.ExitStack()
        self._closed.callback(self._give_back)

    def reserve(self, num_bytes: int) -> None:
        """Makes sure of room for so many bytes in all.

        Raises:
            GatewayBusyError: there is not enough.
        """
        self._num_bytes = self._capacity._reserve(self._num_bytes, num_bytes)

    def close(self) -> None:
        """Gives the place back; a second time does nothing."""
        self._closed.close()

    def _give_back(self) -> None:
        self._capacity._leave(self._kind, self._num_bytes, time.monotonic() - self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
