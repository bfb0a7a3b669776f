"""Video files: what they hold, and their frames as RGB pictures the right way up.

FFmpeg's libraries (through PyAV) do the decoding, on one thread: extraction runs one process per core. A file is read
from start to end without decoding, for the times of its frames, and if it is large once again for the frames that are
wanted. Nothing seeks.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from deepfake_tf import plain
from deepfake_tf.decoding import colour
from deepfake_tf.decoding.deinterlacing import Deinterlacer
from deepfake_tf.decoding.frames import DisplayMatrix, Frame, display_matrix, square_pixels
from deepfake_tf.decoding.timeline import PacketInfo, Timeline, h264_role, hevc_role
from deepfake_tf.errors import DecodeError, TooLargeError, TooLongError
from deepfake_tf.schema import Limits

# What FFmpeg would otherwise open includes playlists that name other files and text that it draws as pictures.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,apng,ogg,mxf,nut,ivf,obu,"
    "h264,hevc,m4v,dv,rm,yuv4mpegpipe"
)
_OPEN_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", "max_pixels": str(2**28)}
# Codecs whose decoders can leave out, packet by packet, frames that no other frame needs.
_CODECS_THAT_SKIP = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"}
_ROLES = {"h264": h264_role, "hevc": hevc_role}
_PROGRESSIVE_ORDERS = {0, 1}
_WIDEST_SAMPLE_ASPECT = 10
_SHORT_OF_HEADER = 0.9
_FRAMES_OFF = 3
_USUAL_TICK_SEC = Fraction(1, 25)
# What was read for the times of the frames is kept for decoding them if it is no more than this.
_MOST_KEPT_BYTES = 32 * 2**20


@plain.travels
@dataclass(frozen=True)
class VideoInfo:
    """What a file holds.

    Attributes:
        width: of a frame as displayed: after rotation, with square pixels.
        height: likewise.
        fps: frames per second on average.
        duration_sec: from the start of the first frame to the end of the last.
        num_frames: counted from the packets of the file, none of them decoded; a damaged one may yield no frame.
        codec: FFmpeg's name of the video codec.
        damage: what is wrong with the file, or with how it is shown, although frames can be had; empty if nothing is
            known to be.
    """

    width: int
    height: int
    fps: float
    duration_sec: float
    num_frames: int
    codec: str
    damage: str = ""


class _Opened(NamedTuple):
    """A file that was read but not decoded, with the packets of its video."""

    container: InputContainer
    stream: VideoStream
    packets: list[av.Packet]


class Video:
    """An opened video file, scanned but not decoded.

    Attributes:
        info: what it holds; its width and height are right once a frame was decoded.
        timeline: its frames in order of presentation.
        num_damaged_packets: met so far while decoding.
    """

    def __init__(self, path: Path, *, limits: Limits | None = None, check: Callable[[], None] = lambda: None) -> None:
        """Opens and scans a file.

        Args:
            path: the file.
            limits: on its size and length.
            check: called now and then while the file is read; what it raises ends the work.

        Raises:
            DecodeError: it is no video.
            TooLargeError: it has too many bytes or pixels.
            TooLongError: it is too long.
        """
        self._path = path
        self._limits = limits or Limits()
        self._check = check
        self.num_damaged_packets = 0
        self._matrices: dict[int, DisplayMatrix] = {}
        _check_bytes(path, self._limits)
        self._opened: _Opened | None = None
        container = open_container(path)
        try:
            stream = video_stream(container, path)
            _check_pixels(stream, self._limits)
            self.timeline, damage = self._scan(container, stream)
            self.info = _describe(stream, self.timeline, damage)
        finally:
            if self._opened is None:
                container.close()
        if self.info.duration_sec > self._limits.max_duration_sec:
            raise TooLongError(
                f"The video is {self.info.duration_sec:.0f} s long; "
                f"at most {self._limits.max_duration_sec:.0f} s are allowed."
            )

    def _scan(self, container: InputContainer, stream: VideoStream) -> tuple[Timeline, str]:
        read = _packet_reader(stream)
        packets: list[PacketInfo] = []
        kept: list[av.Packet] = []
        num_bytes = 0
        damage = ""
        # AVI knows when a packet is due but not when its frame is shown; some bare streams know neither.
        self._is_counted = container.format.name == "avi"
        tick_sec = stream.time_base or _USUAL_TICK_SEC
        try:
            for packet in _frame_packets(container, stream):
                self._check()
                self._is_counted |= packet.pts is None
                packets.append(read(packet))
                num_bytes += packet.size
                if num_bytes <= _MOST_KEPT_BYTES:
                    kept.append(packet)
        except av.FFmpegError as error:
            damage = f"reading stopped after {len(packets)} frames ({_reason(error)})"
        if not any(packet.is_shown for packet in packets):
            raise DecodeError(
                f"{self._path.name} holds no frame of its {stream.codec_context.name} video. {damage}".strip()
            )
        if len({packet.pts for packet in packets}) < len(packets) and self._is_counted:
            packets = [PacketInfo(number, True, True) for number in range(len(packets))]
            tick_sec = 1 / stream.average_rate if stream.average_rate else _USUAL_TICK_SEC
        if len(kept) == len(packets) and not damage:
            self._opened = _Opened(container, stream, kept)
        timeline = Timeline(packets, tick_sec)
        told = (damage or _what_is_missing(container, stream, timeline), _high_dynamic_range(stream))
        return timeline, "; ".join(filter(None, told))

    def frames(self, wanted: Collection[int]) -> Iterator[Frame]:
        """Decodes the wanted frames, in order, in one pass.

        Args:
            wanted: numbers of frames.

        Yields:
            Frames; one that is damaged beyond decoding is left out.
        """
        missing = set(wanted)
        with self._open_again() as (stream, packets):
            sample_aspect = _sample_aspect(stream)
            for number, picture in enumerate(self._pictures(stream, packets, wanted)):
                index = self._index(number, picture)
                if picture.is_corrupt:
                    # The decoder filled gaps with guesses: traces that are not the video's own.
                    missing.discard(index)
                elif index in missing:
                    missing.remove(index)
                    check_size(picture.width, picture.height, self._limits)
                    time_us, matrix = self.timeline.timestamp_us(index), self._matrix_of(picture)
                    frame = Frame(picture, index, time_us, sample_aspect, matrix)
                    # The container's header does not tell how frames are turned.
                    self.info = replace(self.info, width=frame.width, height=frame.height)
                    yield frame
                if not missing:
                    return

    @contextmanager
    def _open_again(self) -> Iterator[tuple[VideoStream, Iterable[av.Packet]]]:
        """The video stream, not yet decoded, and its packets: those that were read already, once, if they are kept."""
        opened, self._opened = self._opened, None
        container = opened.container if opened else open_container(self._path)
        try:
            if opened:
                yield opened.stream, opened.packets
            else:
                stream = video_stream(container, self._path)
                yield stream, _frame_packets(container, stream)
        finally:
            container.close()

    def _matrix_of(self, picture: av.VideoFrame) -> DisplayMatrix:
        """How a picture is turned, looked up once for each rotation: what was looked at there is freed late."""
        if picture.rotation not in self._matrices:
            self._matrices[picture.rotation] = display_matrix(picture)
        return self._matrices[picture.rotation]

    def _index(self, number: int, picture: av.VideoFrame) -> int:
        return number if self._is_counted or picture.pts is None else self.timeline.index_at(picture.pts)

    def _pictures(
        self, stream: VideoStream, packets: Iterable[av.Packet], wanted: Collection[int]
    ) -> Iterator[av.VideoFrame]:
        """Decoded pictures in order of presentation, deinterlaced where they are interlaced."""
        deinterlace = None
        for picture in self._decode(stream, packets, wanted):
            if deinterlace is None and picture.interlaced_frame:
                deinterlace = Deinterlacer(stream.time_base or _USUAL_TICK_SEC)
            if deinterlace is None:
                yield picture
            else:
                yield from deinterlace(picture)
        if deinterlace is not None:
            yield from deinterlace(None)

    def _decode(
        self, stream: VideoStream, packets: Iterable[av.Packet], wanted: Collection[int]
    ) -> Iterator[av.VideoFrame]:
        context = stream.codec_context
        is_progressive = int(context.field_order) in _PROGRESSIVE_ORDERS
        can_choose = is_progressive and not self._is_counted
        can_skip = can_choose and context.name in _CODECS_THAT_SKIP
        wanted_times = {int(self.timeline.times[index]) for index in wanted}
        is_needed = self.timeline.packets_to_decode(wanted).tolist() if can_choose else []
        previous = -1
        for number, packet in enumerate(packets):
            self._check()
            if number < len(is_needed) and not is_needed[number]:
                continue
            if number > previous + 1:
                yield from self._pictures_of(context, None)
                context.flush_buffers()
            previous = number
            if can_skip:
                context.skip_frame = "DEFAULT" if packet.pts in wanted_times else "NONREF"
            yield from self._pictures_of(context, packet)
        yield from self._pictures_of(context, None)

    def _pictures_of(self, context: VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return context.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            # A damaged packet costs its frame; the decoder goes on with the next.
            self.num_damaged_packets += 1
            return []


def probe(path: Path | str, *, limits: Limits | None = None) -> VideoInfo:
    """Returns what a video file holds, decoding no more than one of its frames.

    Raises:
        DecodeError: it is no video.
        TooLargeError: it has too many bytes or pixels.
        TooLongError: it is too long.
    """
    video = Video(Path(path), limits=limits)
    next(video.frames({0}), None)
    return video.info


def open_container(path: Path) -> InputContainer:
    """Opens a file that may be a video of a kind that is read here; the caller closes it.

    Raises:
        DecodeError: it is none.
    """
    try:
        return av.open(str(path), options=dict(_OPEN_OPTIONS), metadata_errors="replace")
    except av.InvalidDataError as error:
        raise DecodeError(
            f"{path.name} is no video, or its header is missing, as in a file that was cut short while it was written."
        ) from error
    except av.ArgumentError as error:
        raise DecodeError(f"{path.name} is no video: it is of a kind of file that is not read here.") from error
    except av.FFmpegError as error:
        raise DecodeError(f"{path.name} cannot be read as a video ({_reason(error)}).") from error


def _reason(error: av.FFmpegError) -> str:
    return error.strerror or type(error).__name__


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Returns the first video stream that is no cover picture, preferring one that is marked as the default.

    Raises:
        DecodeError: there is none.
    """
    streams = [one for one in container.streams.video if not one.disposition & one.disposition.__class__.attached_pic]
    if not streams:
        held = ", ".join(sorted({one.type for one in container.streams})) or "none"
        raise DecodeError(f"{path.name} has no video stream (its streams: {held}).")
    stream = max(streams, key=lambda one: bool(one.disposition & one.disposition.__class__.default))
    if stream.codec_context is None:
        raise DecodeError(f"{path.name} is encoded with a codec that cannot be decoded here.")
    stream.codec_context.thread_count = 1
    return stream


def _frame_packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    return (packet for packet in container.demux(stream) if packet.size > 0)


def _packet_reader(stream: VideoStream) -> Callable[[av.Packet], PacketInfo]:
    role = _ROLES.get(stream.codec_context.name)
    length_size = _length_size(stream.codec_context)

    def read(packet: av.Packet) -> PacketInfo:
        is_key, is_reference = role(memoryview(packet), length_size) if role else (packet.is_keyframe, True)
        return PacketInfo(packet.pts or 0, is_key, is_reference, not packet.is_discard)

    return read


def _length_size(context: CodecContext) -> int:
    """Bytes of the length before each NAL unit: MP4 and Matroska say so in their header, start codes are 0."""
    header = context.extradata or b""
    position = 4 if context.name == "h264" else 21
    if len(header) > position and header[0] == 1:
        return (header[position] & 3) + 1
    return 0


def _what_is_missing(container: InputContainer, stream: VideoStream, timeline: Timeline) -> str:
    """Says so if the file holds clearly less than its header tells."""
    if stream.frames > 0:
        num_missing = stream.frames - len(timeline)
        # Headers are off by a frame or two in files that are whole.
        is_short = num_missing > _FRAMES_OFF and len(timeline) < stream.frames * _SHORT_OF_HEADER
        return f"the file ends after {len(timeline)} of {stream.frames} frames" if is_short else ""
    end_sec = float(timeline.times[-1] * timeline.tick_sec)
    told_sec = (container.duration or 0) / av.time_base
    if told_sec * _SHORT_OF_HEADER > end_sec + _FRAMES_OFF / float(stream.average_rate or 1):
        return f"the file ends at {end_sec:.2f} s of {told_sec:.2f} s"
    return ""


def _high_dynamic_range(stream: VideoStream) -> str:
    """Says so if brightness is stored on a scale for HDR screens: what an ordinary one shows is a choice."""
    name = colour.HDR_NAMES.get(int(stream.codec_context.color_trc))
    return f"the video is HDR ({name}): its brightness is mapped to the range of an ordinary screen" if name else ""


def _describe(stream: VideoStream, timeline: Timeline, damage: str) -> VideoInfo:
    seconds = float((timeline.times[-1] - timeline.times[0]) * timeline.tick_sec)
    num_frames = len(timeline)
    average = float(stream.average_rate or 0)
    fps = (num_frames - 1) / seconds if seconds > 0 else average
    size = square_pixels(stream.codec_context.width, stream.codec_context.height, _sample_aspect(stream))
    return VideoInfo(
        width=size[0],
        height=size[1],
        fps=fps,
        duration_sec=seconds + (1 / fps if fps else 0.0),
        num_frames=num_frames,
        codec=stream.codec_context.name,
        damage=damage,
    )


def _check_bytes(path: Path, limits: Limits) -> None:
    num_bytes = path.stat().st_size
    if num_bytes == 0:
        raise DecodeError(f"{path.name} is empty (0 bytes).")
    if num_bytes > limits.max_bytes:
        raise TooLargeError(f"The file has {num_bytes} bytes; at most {limits.max_bytes} are allowed.")


def _check_pixels(stream: VideoStream, limits: Limits) -> None:
    check_size(stream.codec_context.width, stream.codec_context.height, limits)


def check_size(width: int, height: int, limits: Limits) -> None:
    """Checks that a frame has no more pixels than allowed.

    Raises:
        TooLargeError: it has.
    """
    if width * height > limits.max_pixels:
        raise TooLargeError(
            f"Frames are {width} x {height} = {width * height} pixels; at most {limits.max_pixels} are allowed."
        )


def _sample_aspect(stream: VideoStream) -> Fraction:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    is_sane = Fraction(1, _WIDEST_SAMPLE_ASPECT) <= aspect <= _WIDEST_SAMPLE_ASPECT
    return aspect if is_sane else Fraction(1)
