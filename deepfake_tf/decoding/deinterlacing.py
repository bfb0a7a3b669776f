"""Interlaced pictures, made whole."""

from collections.abc import Iterator
from fractions import Fraction

import av


class Deinterlacer:
    """Fills in each frame's missing lines from the frames around it (FFmpeg's bwdif)."""

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, picture: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Takes the next picture, or None after the last, and yields those that are done."""
        kind = (picture.width, picture.height, picture.format.name) if picture else None
        if kind != self._kind and self._graph is not None:
            self._graph.vpush(None)
            yield from self._done(self._graph)
        if picture is None:
            return
        if kind != self._kind or self._graph is None:
            self._graph, self._kind = self._new_graph(picture), kind
        self._graph.vpush(picture)
        yield from self._done(self._graph)

    def _new_graph(self, picture: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=self._time_base
        )
        graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
        graph.configure()
        return graph

    def _done(self, graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
        while True:
            try:
                picture = graph.vpull()
            except (BlockingIOError, av.EOFError):
                return
            # The filter counts in a unit of its own.
            if picture.pts is not None and picture.time_base:
                picture.pts = round(picture.pts * picture.time_base / self._time_base)
            yield picture
