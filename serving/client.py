"""The caller's program: hands videos to a gateway, shows how far it is, prints the verdicts.

    python -m serving.client x.mp4 y.mp4 --target localhost:50051 [--json]

It needs grpcio, numpy, protobuf and rich, no TensorFlow. As a library:

    with Client("localhost:50051") as client:
        print(client.analyze("x.mp4").verdict)
"""

import argparse
import hashlib
import json
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import grpc
from google.protobuf import json_format

from deepfake_tf import command, schema
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging import verdict
from deepfake_tf.judging.verdict import Answer, Verdict
from serving.protos.deepfake.v1 import detection_pb2, detection_pb2_grpc

if TYPE_CHECKING:
    from rich.console import Console

CHUNK_BYTES = 512 * 1024
UPLOAD_STAGE = "upload"
DEFAULT_DEADLINE_SEC = 900.0

Progress = Callable[[str, float], None]
"""Takes the name of a stage and the share of it that is done, in [0, 1]."""

_STYLES = {
    Answer.REAL: "bold green",
    Answer.FAKE: "bold red",
    Answer.INCONCLUSIVE: "bold yellow",
    Answer.NO_FACE: "bold yellow",
    Answer.UNREADABLE: "bold yellow",
}


class CallError(Exception):
    """A call that ended without a verdict.

    Attributes:
        code: the gRPC status.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """A link to a gateway. Threads may share it."""

    def __init__(self, target: str) -> None:
        """Makes the link; nothing is sent yet.

        Args:
            target: host:port of the gateway.
        """
        self.target = target
        self._channel = grpc.insecure_channel(target)
        self._stub = detection_pb2_grpc.DetectionServiceStub(self._channel)

    def analyze(
        self,
        path: Path | str,
        *,
        on_progress: Progress | None = None,
        deadline_sec: float = DEFAULT_DEADLINE_SEC,
        request_id: str = "",
    ) -> Verdict:
        """Has one video judged.

        Args:
            path: the file.
            on_progress: is told how far upload and analysis are.
            deadline_sec: how long all of it may take.
            request_id: what the gateway's log calls the request; a random one if empty.

        Raises:
            CallError: the gateway did not answer with a verdict.
            OSError: the file cannot be read.
        """
        tell = on_progress or (lambda stage, share: None)
        path = Path(path)
        options = detection_pb2.AnalyzeOptions(
            name=path.name,
            size_bytes=path.stat().st_size,
            sha256=_sha256(path),
            request_id=request_id or uuid.uuid4().hex,
        )
        try:
            events = self._stub.Analyze(_requests(path, options, tell), timeout=deadline_sec)
            return _verdict(events, tell)
        except grpc.RpcError as error:
            message = error.details() or "no details"
            if message.startswith("failed to connect"):
                message = f"no gateway answers at {self.target}. Is it running, and is the address right?"
            raise CallError(error.code(), message) from error

    def close(self) -> None:
        """Closes the link."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _requests(
    path: Path, options: detection_pb2.AnalyzeOptions, tell: Progress
) -> Iterator[detection_pb2.AnalyzeRequest]:
    yield detection_pb2.AnalyzeRequest(options=options)
    num_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield detection_pb2.AnalyzeRequest(chunk=chunk)
            num_bytes += len(chunk)
            tell(UPLOAD_STAGE, min(1.0, num_bytes / max(1, options.size_bytes)))


def _verdict(events: Iterator[detection_pb2.AnalyzeEvent], tell: Progress) -> Verdict:
    message = None
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "received":
            tell(UPLOAD_STAGE, 1.0)
        elif kind == "progress":
            tell(event.progress.stage, event.progress.fraction)
        elif kind == "verdict":
            message = event.verdict
    if message is None:
        raise CallError(grpc.StatusCode.INTERNAL, "the gateway ended the call without a verdict")
    try:
        return Verdict.from_json(json_format.MessageToDict(message))
    except ValueError as error:
        raise CallError(grpc.StatusCode.INTERNAL, str(error)) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# The command --------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Has videos judged one after another; exit code 0 if each has a verdict, 1 if some have none."""
    parser = command.Parser("Hands videos to a gateway and prints its verdicts.")
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="a video file")
    parser.add_argument("--target", default=f"localhost:{schema.GATEWAY_PORT}", help="host:port of the gateway")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each video")
    parser.add_argument("--deadline-sec", type=float, default=DEFAULT_DEADLINE_SEC, help="for one video")
    return command.run(parser, _submit, argv)


def _submit(arguments: argparse.Namespace) -> int:
    for path in arguments.videos:
        if not path.is_file():
            raise ConfigError(f"There is no such video file. Received: {path}")
    if not arguments.deadline_sec > 0:
        raise ConfigError(f"--deadline-sec must be above 0. Received: {arguments.deadline_sec}")
    from rich.console import Console

    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False)
    num_failed = 0
    with Client(arguments.target) as client:
        for path in arguments.videos:
            result = _judge(client, path, arguments.deadline_sec, err)
            num_failed += isinstance(result, CallError)
            if arguments.json:
                out.out(_to_json(str(path), result), highlight=False)
            else:
                _print_result(str(path), result, out)
    if len(arguments.videos) > 1:
        err.print(f"{len(arguments.videos) - num_failed} of {len(arguments.videos)} videos have a verdict")
    return command.SOME_FAILED if num_failed else command.DONE


def _judge(client: Client, path: Path, deadline_sec: float, console: "Console") -> Verdict | CallError:
    with _ProgressBar(console, path.name) as bar:
        try:
            return client.analyze(path, on_progress=bar.tell, deadline_sec=deadline_sec)
        except CallError as error:
            return error


class _ProgressBar:
    """One line that shows the upload first and then each stage of the analysis; nothing where no person looks."""

    def __init__(self, console: "Console", name: str) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._name = name
        self._task = self._progress.add_task(self._label(UPLOAD_STAGE), total=1.0)

    def tell(self, stage: str, share: float) -> None:
        self._progress.update(self._task, description=self._label(stage), completed=share)

    def _label(self, stage: str) -> str:
        return f"{self._name}: {stage}"

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _print_result(name: str, result: Verdict | CallError, console: "Console") -> None:
    from rich.text import Text

    line = Text(f"{name}: ")
    if isinstance(result, CallError):
        console.print(line.append("no verdict", "bold red").append(f", {result.code.name}: {result}"))
        return
    first, *others = verdict.describe(result)
    word = str(result.verdict)
    console.print(line.append(word, _STYLES[result.verdict]).append(first.removeprefix(word)))
    for other in others:
        console.print(Text(other))


def _to_json(name: str, result: Verdict | CallError) -> str:
    """Returns one line: the canonical JSON of a VideoResult."""
    if isinstance(result, CallError):
        return json.dumps({"name": name, "failure": {"code": result.code.name, "message": str(result)}})
    return json.dumps({"name": name, "verdict": result.to_json()})


if __name__ == "__main__":
    sys.exit(main())
