"""The caller's program: hands videos to a gateway, shows how far it is, prints the verdicts.

    python -m serving.client x.mp4 folder/ --target localhost:50051 [--json]

It needs grpcio, numpy, protobuf and rich, no TensorFlow and nothing that decodes videos. As a library:

    with Client("localhost:50051") as client:
        print(client.analyze("x.mp4").verdict)

AsyncClient (async_client.py) is the same for programs that run an event loop.
"""

import argparse
import asyncio
import contextlib
import functools
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from deepfake_tf import command, layouts, schema
from deepfake_tf.errors import ConfigError
from deepfake_tf.judging.verdict import Verdict
from serving import access
from serving.async_client import AsyncClient, look_at
from serving.client_output import Output
from serving.link import DEFAULT_DEADLINE_SEC, DEFAULT_RETRIES, DEFAULT_TARGET, CallError, Link, read_token

__all__ = ["AsyncClient", "CallError", "Client", "Link", "main"]

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")
_Judge = Callable[..., Awaitable[Verdict]]


def _waited(
    method: Callable[Concatenate[AsyncClient, _Arguments], Coroutine[Any, Any, _Result]],
) -> "Callable[Concatenate[Client, _Arguments], _Result]":
    """Returns a method of AsyncClient as one of Client, which waits: the same arguments, results and errors."""

    @functools.wraps(method)
    def call(self: "Client", *args: _Arguments.args, **settings: _Arguments.kwargs) -> _Result:
        return self._wait(method(self._client, *args, **settings))

    return call


class Client:
    """A link to a gateway for programs without an event loop. Threads may share it."""

    analyze = _waited(AsyncClient.analyze)
    analyze_as_job = _waited(AsyncClient.analyze_as_job)
    submit = _waited(AsyncClient.submit)
    wait = _waited(AsyncClient.wait)
    job = _waited(AsyncClient.job)

    def __init__(self, link: Link | str = DEFAULT_TARGET, *, retries: int = DEFAULT_RETRIES) -> None:
        """Makes the link; nothing is sent yet.

        Args:
            link: the gateway, or its host:port.
            retries: how often a gateway is tried again that cannot be reached.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway-client", daemon=True)
        self._thread.start()
        self._client = self._wait(self._open(link, retries))

    def analyze_all(self, paths: Sequence[Path | str], *, num_parallel: int = 4) -> Iterator[Verdict | CallError]:
        """Has many videos judged, some at a time, as `AsyncClient.analyze_all`."""
        results = self._client.analyze_all(paths, num_parallel=num_parallel)
        try:
            for _ in paths:
                yield self._wait(_next(results))
        finally:
            self._wait(results.aclose())  # type: ignore[attr-defined]

    def close(self) -> None:
        """Closes the link."""
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _open(self, link: Link | str, retries: int) -> AsyncClient:
        # gRPC's channels belong to the loop that they are opened on.
        return AsyncClient(link, retries=retries)

    def _wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # An interrupt while waiting stops the work too.
            future.cancel()
            raise


async def _next(results: AsyncIterator[Verdict | CallError]) -> Verdict | CallError:
    return await anext(results)


# The command --------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Has videos judged, some at a time; exit code 0 if each has a verdict, 1 if some have none."""
    parser = command.Parser("Hands videos to a gateway and prints its verdicts.")
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="a video file, or a folder of them")
    parser.add_argument(
        "--target", default=DEFAULT_TARGET, help="host:port of the gateway; of the model server if direct"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each video")
    parser.add_argument("--parallel", type=int, default=4, help="videos on their way at a time")
    parser.add_argument("--deadline-sec", type=float, default=DEFAULT_DEADLINE_SEC, help="for one video, all its tries")
    parser.add_argument("--retries", type=int, default=DEFAULT_RETRIES, help="if the gateway cannot be reached")
    parser.add_argument("--job", action="store_true", help="hand in jobs: a lost link does not lose the work")
    parser.add_argument("--direct", action="store_true", help="cut faces out here; no video leaves this machine")
    parser.add_argument("--model-name", default=schema.MODEL_NAME, help="with --direct: name of the served model")
    parser.add_argument("--token-file", type=Path, help="holds the token for the gateway")
    parser.add_argument("--tls-ca", type=Path, help="CA of the other side (PEM): talk TLS")
    parser.add_argument("--tls-certificate", type=Path, help="our certificate, where one is asked for (PEM)")
    parser.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    return command.run(parser, _submit, argv)


def _submit(arguments: argparse.Namespace) -> int:
    _check(arguments)
    paths = _find_videos(arguments.videos)
    return asyncio.run(_judge_all(arguments, paths))


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.deadline_sec > 0:
        raise ConfigError(f"--deadline-sec must be above 0. Received: {arguments.deadline_sec}")
    if arguments.parallel < 1 or arguments.retries < 0:
        raise ConfigError("--parallel must be 1 or more, and --retries 0 or more.")
    if arguments.direct and (arguments.job or arguments.token_file):
        raise ConfigError("--direct asks no gateway: --job and --token-file do not go with it.")


def _find_videos(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = layouts.video_files(path) if path.is_dir() else [path]
        if not path.exists() or not inside:
            raise ConfigError(f"There is no such video file, or no video in that folder. Received: {path}")
        found += inside
    return found


async def _judge_all(arguments: argparse.Namespace, paths: Sequence[Path]) -> int:
    num_failed = 0
    async with contextlib.AsyncExitStack() as opened:
        client, judge = await _open(arguments, opened)
        output = opened.enter_context(Output(len(paths), as_json=arguments.json))

        async def one(path: Path | str) -> Verdict:
            with output.started(str(path)) as tell:
                return await judge(path, on_progress=tell, deadline_sec=arguments.deadline_sec)

        results = client.analyze_all(paths, num_parallel=arguments.parallel, judge=one)
        async with contextlib.aclosing(results):  # type: ignore[type-var]
            for path in paths:
                result = await anext(results)
                num_failed += isinstance(result, CallError)
                output.show(str(path), result)
    if len(paths) > 1:
        output.say(f"{len(paths) - num_failed} of {len(paths)} videos have a verdict")
    return command.SOME_FAILED if num_failed else command.DONE


async def _open(arguments: argparse.Namespace, opened: contextlib.AsyncExitStack) -> tuple[AsyncClient, _Judge]:
    """Returns the client, and what judges one video."""
    credentials = access.channel_credentials(arguments.tls_ca, arguments.tls_certificate, arguments.tls_key)
    token = read_token(arguments.token_file) if arguments.token_file else ""
    link = Link(arguments.target, token, credentials)
    client = await opened.enter_async_context(AsyncClient(link, retries=arguments.retries))
    if arguments.direct:
        from serving.direct import Direct

        settings = {"model_name": arguments.model_name, "num_workers": arguments.parallel, "credentials": credentials}
        return client, opened.enter_context(Direct(arguments.target, **settings)).analyze
    return client, _as_job(client) if arguments.job else client.analyze


def _as_job(client: AsyncClient) -> _Judge:
    async def judge(path: Path | str, **settings: Any) -> Verdict:
        # A command that is given again asks for the job that it left.
        return await client.analyze_as_job(path, key=(await look_at(path)).sha256, **settings)

    return judge


if __name__ == "__main__":
    sys.exit(main())
