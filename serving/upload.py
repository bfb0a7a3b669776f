"""An upload becomes a private temporary file: its messages are checked as they come, its limit is held as it grows."""

import hashlib
import re
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from google.protobuf.message import DecodeError

from deepfake_tf.errors import RequestError, TooLargeError
from serving.protos.deepfake.v1 import detection_pb2

MAX_CHUNK_BYTES = 1024**2
MAX_MESSAGE_BYTES = 2 * MAX_CHUNK_BYTES
"""What the gateway receives in one message; what is larger, gRPC refuses before it is in memory."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Upload:
    """One upload. As a context manager it makes the file, and deletes it whatever happens.

    Attributes:
        request_id: the caller's, or one of ours.
        path: where the file is.
        num_bytes: how much of it is there.
    """

    def __init__(self, options: detection_pb2.AnalyzeOptions, *, max_bytes: int, folder: Path) -> None:
        """Checks the options.

        Args:
            options: what the caller says of the file.
            max_bytes: the largest file that is taken.
            folder: where the file is made.

        Raises:
            RequestError: an option makes no sense.
            TooLargeError: the file is said to be larger than allowed.
        """
        self.request_id = options.request_id or uuid.uuid4().hex
        if not _REQUEST_ID.fullmatch(self.request_id):
            raise RequestError("options.request_id must be 1 to 128 characters of A-Z, a-z, 0-9 and ._:-")
        if options.sha256 and not _SHA256.fullmatch(options.sha256):
            raise RequestError("options.sha256 must be 64 hexadecimal digits.")
        self._max_bytes = max_bytes
        self._size_bytes = options.size_bytes if options.HasField("size_bytes") else None
        if self._size_bytes is not None and self._size_bytes < 0:
            raise RequestError(f"options.size_bytes must be 0 or more. Received: {self._size_bytes}")
        self._check_size(self._size_bytes or 0)
        self._sha256 = options.sha256.lower()
        self._digest = hashlib.sha256()
        self._folder = folder
        self.num_bytes = 0

    def __enter__(self) -> Self:
        # Readable by us alone; the caller's name for the file is never a path.
        self._file = tempfile.NamedTemporaryFile(dir=self._folder, prefix="upload-", buffering=0)
        self.path = Path(self._file.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, request: detection_pb2.AnalyzeRequest) -> None:
        """Adds a chunk.

        Raises:
            RequestError: the message is no chunk, or the file gets longer than was said.
            TooLargeError: the file gets larger than allowed.
        """
        if request.WhichOneof("part") != "chunk" or not request.chunk:
            raise RequestError("Each message after the first must hold a chunk of the file that is not empty.")
        if len(request.chunk) > MAX_CHUNK_BYTES:
            raise RequestError(f"A chunk may hold {MAX_CHUNK_BYTES} bytes. Received: {len(request.chunk)}")
        num_bytes = self.num_bytes + len(request.chunk)
        self._check_size(num_bytes)
        if self._size_bytes is not None and num_bytes > self._size_bytes:
            raise RequestError(f"More bytes came than the {self._size_bytes} of options.size_bytes.")
        self._file.write(request.chunk)
        self._digest.update(request.chunk)
        self.num_bytes = num_bytes

    def finish(self) -> detection_pb2.Received:
        """Ends the upload: the caller has closed its side.

        Raises:
            RequestError: the file is not what the options said.
        """
        sha256 = self._digest.hexdigest()
        if self._size_bytes is not None and self.num_bytes != self._size_bytes:
            raise RequestError(f"options.size_bytes is {self._size_bytes}, but {self.num_bytes} bytes came.")
        if self._sha256 and sha256 != self._sha256:
            raise RequestError(f"options.sha256 is {self._sha256}, but that of what came is {sha256}.")
        return detection_pb2.Received(request_id=self.request_id, size_bytes=self.num_bytes, sha256=sha256)

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise TooLargeError(f"The file may have {self._max_bytes} bytes at most, and has more.")


async def readable(
    requests: AsyncIterator[detection_pb2.AnalyzeRequest],
) -> AsyncIterator[detection_pb2.AnalyzeRequest]:
    """Yields the messages of a call.

    Raises:
        RequestError: one cannot be read.
    """
    try:
        async for request in requests:
            yield request
    except DecodeError as error:
        raise RequestError("A message is no deepfake.v1.AnalyzeRequest.") from error


async def read_options(requests: AsyncIterator[detection_pb2.AnalyzeRequest]) -> detection_pb2.AnalyzeOptions:
    """Reads the first message of a call.

    Raises:
        RequestError: it does not hold options.
    """
    first = await anext(requests, None)
    if first is None or first.WhichOneof("part") != "options":
        raise RequestError("The first message must hold options, the further ones chunks of the file.")
    return first.options
