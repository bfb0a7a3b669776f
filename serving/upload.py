"""An upload becomes a file without a name: its messages are checked as they come, its limits hold as it grows.

A file without a name is gone with the last process that has it open, however that process ends.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from google.protobuf.message import DecodeError

from deepfake_tf.errors import RequestError, TooLargeError, UploadTimeoutError
from serving.capacity import Place
from serving.protos.deepfake.v1 import detection_pb2

_Request = TypeVar("_Request")

MAX_CHUNK_BYTES = 1024**2
MAX_MESSAGE_BYTES = 2 * MAX_CHUNK_BYTES
"""What the gateway receives in one message; what is larger, gRPC refuses before it is in memory."""

GO_ON_KEY = "deepfake-upload"
"""Initial metadata that says that an upload is awaited; a caller may wait for it, and spare itself a refused one."""

IDLE_SEC = 30.0
"""The longest pause between two messages of an upload."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Where a worker process finds a file of this process that has no name (Linux).
_OPEN_FILES = Path(f"/proc/{os.getpid()}/fd")


def checked_id(request_id: str) -> str:
    """Returns what a caller calls a request, or a name of ours if that is empty.

    Raises:
        RequestError: it has other characters than may stand in a log.
    """
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise RequestError("options.request_id must be 1 to 128 characters of A-Z, a-z, 0-9 and ._:-")
    return request_id or uuid.uuid4().hex


class Upload:
    """One upload; a context manager that lets the file go.

    Attributes:
        request_id: the caller's, or one of ours.
        path: where worker processes find the file.
        num_bytes: how much of it is there.
        sha256: of what is there, in hexadecimal digits.
    """

    def __init__(
        self, options: detection_pb2.AnalyzeOptions, *, max_bytes: int, place: Place, folder: Path | None = None
    ) -> None:
        """Checks the options, makes sure of room, and makes the file.

        Args:
            options: what the caller says of the file; its name there is never a path.
            max_bytes: the largest file that is taken.
            place: has room for the file, and is given back with it.
            folder: on which file system the file is; where temporary files are if None.

        Raises:
            RequestError: an option makes no sense.
            TooLargeError: the file is said to be larger than allowed.
            GatewayBusyError: there is no room for it.
        """
        self.request_id = checked_id(options.request_id)
        if options.sha256 and not _SHA256.fullmatch(options.sha256):
            raise RequestError("options.sha256 must be 64 hexadecimal digits.")
        self._max_bytes = max_bytes
        self._size_bytes = options.size_bytes if options.HasField("size_bytes") else None
        if self._size_bytes is not None and self._size_bytes < 0:
            raise RequestError(f"options.size_bytes must be 0 or more. Received: {self._size_bytes}")
        self._check_size(self._size_bytes or 0)
        place.reserve(self._size_bytes or 0)
        self._place = place
        self._sha256 = options.sha256.lower()
        self._digest = hashlib.sha256()
        self.num_bytes = 0
        # A cancelled call closes the file, perhaps while a thread still writes to it.
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened:
            opened.enter_context(place)
            self._file, self.path = nameless_file(folder)
            opened.enter_context(self._file)
            self._opened = opened.pop_all()

    @property
    def sha256(self) -> str:
        """Of what is there."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Lets go of the file and its place; a second time does nothing."""
        with self._lock:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def without_path(self, text: str) -> str:
        """Returns a text about the file without what it is called here, which means nothing to the caller."""
        text = text.replace(str(self.path), "the video")
        return f"the video {text.removeprefix(f'{self.path.name} ')}" if text.startswith(f"{self.path.name} ") else text

    def add(self, request: detection_pb2.AnalyzeRequest | detection_pb2.SubmitJobRequest) -> None:
        """Adds a chunk.

        Raises:
            RequestError: the message is no chunk, or the file gets longer than was said.
            TooLargeError: the file gets larger than allowed.
            GatewayBusyError: there is no more room.
        """
        if request.WhichOneof("part") != "chunk" or not request.chunk:
            raise RequestError("Each message after the first must hold a chunk of the file that is not empty.")
        if len(request.chunk) > MAX_CHUNK_BYTES:
            raise RequestError(f"A chunk may hold {MAX_CHUNK_BYTES} bytes. Received: {len(request.chunk)}")
        num_bytes = self.num_bytes + len(request.chunk)
        self._check_size(num_bytes)
        if self._size_bytes is not None and num_bytes > self._size_bytes:
            raise RequestError(f"More bytes came than the {self._size_bytes} of options.size_bytes.")
        self._place.reserve(num_bytes)
        with self._lock:
            self._file.write(request.chunk)
        self._digest.update(request.chunk)
        self.num_bytes = num_bytes

    def finish(self) -> detection_pb2.Received:
        """Ends the upload: the caller has closed its side.

        Raises:
            RequestError: the file is not what the options said.
        """
        if self._size_bytes is not None and self.num_bytes != self._size_bytes:
            raise RequestError(f"options.size_bytes is {self._size_bytes}, but {self.num_bytes} bytes came.")
        if self._sha256 and self.sha256 != self._sha256:
            raise RequestError(f"options.sha256 is {self._sha256}, but that of what came is {self.sha256}.")
        return detection_pb2.Received(request_id=self.request_id, size_bytes=self.num_bytes, sha256=self.sha256)

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise TooLargeError(f"The file may have {self._max_bytes} bytes at most, and has more.")


def nameless_file(folder: Path | None) -> tuple[Any, Path]:
    """Makes a file that is gone when it is closed, or with this process.

    Args:
        folder: on which file system; where temporary files are if None.

    Returns:
        The open file, and where worker processes find it.
    """
    if not _OPEN_FILES.is_dir():
        file = tempfile.NamedTemporaryFile(dir=folder, prefix="upload-", buffering=0)
        return file, Path(file.name)
    nameless = tempfile.TemporaryFile(dir=folder, buffering=0)
    return nameless, _OPEN_FILES / str(nameless.fileno())


async def readable(requests: AsyncIterator[_Request]) -> AsyncIterator[_Request]:
    """Yields the messages of a call.

    A caller may be gone while a message of its is on the way. grpc.aio never lets go of a message whose reader was
    cancelled, nor of the up to 64 KiB that came with it; so each is read to its end, by a task that nobody cancels.

    Raises:
        RequestError: one cannot be read.
        UploadTimeoutError: none came for IDLE_SEC.
    """
    while True:
        reading = asyncio.ensure_future(anext(requests, None))
        # Of one that nobody waits for any more, nobody asks how it ended.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(IDLE_SEC):
                request = await asyncio.shield(reading)
        except DecodeError as error:
            raise RequestError("A message of this call cannot be read: is it of another .proto file?") from error
        except TimeoutError as error:
            raise UploadTimeoutError(f"No message came for {IDLE_SEC:g} s.") from error
        if request is None:
            return
        yield request


async def read_options(requests: AsyncIterator[Any]) -> Any:
    """Reads the first message of a call and returns its options.

    Raises:
        RequestError: it holds none.
    """
    first = await anext(requests, None)
    if first is None or first.WhichOneof("part") != "options":
        raise RequestError("The first message must hold options, the further ones chunks of the file.")
    return first.options


async def receive(
    upload: Upload, requests: AsyncIterator[Any], *, limit_sec: float, on_growth: Callable[[int], None]
) -> detection_pb2.Received:
    """Reads the chunks of an upload until the caller closes its side.

    Args:
        upload: where they go.
        requests: the messages that hold them.
        limit_sec: how long it may take.
        on_growth: is told after each chunk how much is there; what it raises ends the upload.

    Raises:
        RequestError: it is not what its options said.
        UploadTimeoutError: it takes longer than `limit_sec`.
        TooLargeError: the file gets larger than allowed.
        GatewayBusyError: there is no more room.
    """
    try:
        async with asyncio.timeout(limit_sec):
            async for request in requests:
                # Writing and hashing leave the event loop to the other calls.
                await asyncio.to_thread(upload.add, request)
                on_growth(upload.num_bytes)
    except TimeoutError as error:
        raise UploadTimeoutError(f"The upload took longer than {limit_sec:g} s.") from error
    return await asyncio.to_thread(upload.finish)
