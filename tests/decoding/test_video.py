"""Decoding: every generated frame shows its own number, so that the right frame is the one that says so."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type as SideDataType

from deepfake_tf.clips import place_clips
from deepfake_tf.decoding import video as video_module
from deepfake_tf.decoding.video import Video, probe
from deepfake_tf.errors import DecodeError, TooLargeError, TooLongError
from deepfake_tf.schema import ClipSpec, Limits
from tests.numbered import HEIGHT, WIDTH, number_in, picture, write_video

ROOT = Path(__file__).parent.parent.parent
ENCODINGS = {
    "h264 in mp4": ("a.mp4", "libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "h264 with open groups": ("a.mp4", "libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=10:bframes=3"}),
    "h264 in a transport stream": ("a.ts", "libx264", "yuv420p", {"g": "12"}),
    "h264 in matroska": ("a.mkv", "libx264", "yuv420p", {"g": "12"}),
    "h264 in avi": ("a.avi", "libx264", "yuv420p", {"g": "12", "bf": "2"}),
    "h264 bare": ("a.h264", "libx264", "yuv420p", {"g": "12"}),
    "h264 with 10 bits": ("a.mp4", "libx264", "yuv420p10le", {"g": "12"}),
    "hevc": ("a.mp4", "libx265", "yuv420p", {"x265-params": "log-level=none:keyint=12:bframes=3"}),
    "vp8": ("a.webm", "libvpx", "yuv420p", {"g": "12", "deadline": "realtime", "lag-in-frames": "10"}),
    "vp9": ("a.webm", "libvpx-vp9", "yuv420p", {"g": "12", "deadline": "realtime", "lag-in-frames": "10"}),
    "mpeg4 in avi": ("a.avi", "mpeg4", "yuv420p", {"g": "12", "bf": "2"}),
    "mpeg2": ("a.ts", "mpeg2video", "yuv420p", {"g": "12", "bf": "2"}),
    "mpeg1": ("a.mpg", "mpeg1video", "yuv420p", {"g": "12", "bf": "2"}),
    "mjpeg": ("a.avi", "mjpeg", "yuvj420p", {}),
    "ffv1": ("a.mkv", "ffv1", "yuv444p", {}),
    "prores": ("a.mov", "prores_ks", "yuv422p10le", {}),
    "gif": ("a.gif", "gif", "rgb8", {}),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """40 frames at 25 fps in H.264, key frames 12 apart, with frames that no other needs."""
    path = tmp_path_factory.mktemp("videos") / "plain.mp4"
    return write_video(path, options={"g": "12", "bf": "3", "crf": "10"})


def numbers(video, wanted):
    return [(frame.index, number_in(frame.pixels)) for frame in video.frames(wanted)]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_frame_is_found_by_its_number(encoding, tmp_path):
    name, codec, pix_fmt, options = ENCODINGS[encoding]
    video = Video(write_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt, options=options))
    assert video.info.num_frames == 40
    assert video.info.fps == pytest.approx(25)
    assert video.info.duration_sec == pytest.approx(1.6)
    assert numbers(video, range(40)) == [(index, index) for index in range(40)]
    for wanted in ([0], [39], [3, 13, 14, 30], [11, 12, 23, 24, 25]):
        assert numbers(video, wanted) == [(index, index) for index in wanted]


AV1 = """
import sys
from pathlib import Path
from tests.numbered import write_video

write_video(Path(sys.argv[1]), codec="libsvtav1", options={"preset": "12"})
"""


def test_av1_decodes(tmp_path):
    path = tmp_path / "a.mkv"
    # The encoder talks, and where it may it puts the process that calls it before all others, for good.
    subprocess.run([sys.executable, "-c", AV1, str(path)], cwd=ROOT, capture_output=True, check=True)
    assert numbers(Video(path), range(40)) == [(index, index) for index in range(40)]


def test_leaving_packets_out_does_not_change_pixels(plain):
    video = Video(plain)
    whole = {frame.index: frame.pixels for frame in video.frames(range(40))}
    for spec in (ClipSpec(num_frames=3), ClipSpec(num_frames=4, placement="spread"), ClipSpec(num_frames=1)):
        placed = place_clips(40, spec, video.timeline.is_reference.tolist(), video.timeline.is_key.tolist())
        wanted = [index for clip in placed for index in clip]
        chosen = {frame.index: frame.pixels for frame in video.frames(wanted)}
        assert sorted(chosen) == wanted
        assert all(np.array_equal(whole[index], chosen[index]) for index in wanted)


@pytest.mark.parametrize("most_kept_bytes", [0, 2**20])
def test_small_file_is_read_once_and_large_ones_give_the_same(most_kept_bytes, plain, tmp_path, monkeypatch):
    path = tmp_path / "gone.mp4"
    path.write_bytes(plain.read_bytes())
    expected = {frame.index: frame.pixels for frame in Video(plain).frames({3, 11})}
    monkeypatch.setattr(video_module, "_MOST_KEPT_BYTES", most_kept_bytes)
    video = Video(path)
    if most_kept_bytes:
        path.unlink()
    first = list(video.frames({3, 11}))
    assert [frame.index for frame in first] == [3, 11]
    assert all(np.array_equal(frame.pixels, expected[frame.index]) for frame in first)
    if not most_kept_bytes:
        assert [frame.index for frame in video.frames({5})] == [5]


def test_frames_that_others_need_are_known(plain):
    with av.open(str(plain)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    is_reference = Video(plain).timeline.is_reference
    assert {kinds[index] for index in np.flatnonzero(~is_reference)} == {av.video.frame.PictureType.B}
    assert 0 < is_reference.sum() < 40


def test_pixels_are_rgb_of_the_size_displayed(plain):
    frame = next(Video(plain).frames([7]))
    assert frame.pixels.shape == (HEIGHT, WIDTH, 3)
    assert frame.pixels.dtype == np.uint8
    assert np.abs(frame.pixels.astype(int) - picture(7)).mean() < 4


def test_shrunken_keeps_the_shape_and_never_grows(plain):
    frame = next(Video(plain).frames([7]))
    assert frame.shrunken(64).shape == (32, 64, 3)
    assert frame.shrunken(1000).shape == (HEIGHT, WIDTH, 3)
    assert number_in(frame.shrunken(64)) == 7


COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 60)]


@pytest.mark.parametrize("colorspace", [av.video.reformatter.Colorspace.ITU601, av.video.reformatter.Colorspace.ITU709])
def test_colours_follow_the_matrix_that_the_file_names(colorspace, tmp_path):
    patches = np.repeat(np.array([COLOURS], np.uint8), 16, axis=1).repeat(64, axis=0)
    path = tmp_path / "colours.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        stream.codec_context.colorspace = colorspace
        frame = av.VideoFrame.from_ndarray(patches, format="rgb24")
        frame = frame.reformat(format="yuv444p", dst_colorspace=colorspace)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = next(Video(path).frames([0])).pixels[32, 8::16].astype(int)
    assert np.abs(found - COLOURS).max() <= 4


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_tag_turns_the_picture(degrees, plain, tmp_path):
    def turn(stream):
        stream.set_display_rotation(degrees)

    path = write_video(tmp_path / "turned.mp4", options={"crf": "10"}, num_frames=4, prepare=turn)
    upright = next(Video(write_video(tmp_path / "a.mp4", options={"crf": "10"}, num_frames=4)).frames([2])).pixels
    frame = next(Video(path).frames([2]))
    # FFmpeg counts the turn counterclockwise, as NumPy does.
    expected = np.rot90(upright, degrees // 90)
    assert np.array_equal(frame.pixels, expected)
    assert (frame.width, frame.height) == (expected.shape[1], expected.shape[0])
    info = probe(path)
    assert (info.width, info.height) == (expected.shape[1], expected.shape[0])
    assert frame.shrunken(64).shape[:2] == (expected.shape[0] // 2, expected.shape[1] // 2)


def test_mirror_in_the_display_matrix_is_applied(tmp_path):
    def mirror(stream):
        stream.set_display_matrix([-(1 << 16), 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30])

    path = write_video(tmp_path / "mirrored.mp4", num_frames=2, prepare=mirror)
    upright = next(Video(write_video(tmp_path / "a.mp4", num_frames=2)).frames([1])).pixels
    frame = next(Video(path).frames([1]))
    assert frame._picture.side_data.get(SideDataType.DISPLAYMATRIX) is not None
    assert np.array_equal(frame.pixels, upright[:, ::-1])


@pytest.mark.parametrize(("aspect", "size"), [(2, (2 * WIDTH, HEIGHT)), (0.5, (WIDTH, 2 * HEIGHT))])
def test_pixels_that_are_not_square_become_so(aspect, size, tmp_path):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)

    path = write_video(tmp_path / "stretched.mp4", num_frames=2, prepare=stretch)
    frame = next(Video(path).frames([1]))
    assert frame.pixels.shape == (size[1], size[0], 3)
    assert (probe(path).width, probe(path).height) == size
    assert number_in(frame.pixels) == 1


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 1, 2, 10, 11, 30, 31, 32, 50]
    path = write_video(tmp_path / "vfr.mkv", num_frames=9, times=times, fps=25)
    video = Video(path)
    assert [frame.timestamp_us for frame in video.frames(range(9))] == [time * 40_000 for time in times]
    assert numbers(video, [3, 8]) == [(3, 3), (8, 8)]
    assert video.info.fps == pytest.approx(8 / 2.0)


def test_time_begins_with_the_first_frame(tmp_path):
    path = write_video(tmp_path / "late.mkv", num_frames=5, times=[250, 251, 252, 253, 254], fps=25)
    assert [frame.timestamp_us for frame in Video(path).frames(range(5))] == [0, 40_000, 80_000, 120_000, 160_000]
    assert probe(path).duration_sec == pytest.approx(0.2)


def fields(number):
    """A bar that has moved on between a frame's upper lines (0, 2, ...) and its lower ones."""
    pixels = np.full((64, 128, 3), 60, np.uint8)
    for parity in (0, 1):
        left = 8 + 4 * (2 * number + parity)
        pixels[parity::2, left : left + 24] = 200
    return pixels


def combs(pixels):
    """Share of the picture where a line differs from both its neighbours, as between fields of different times."""
    lines = pixels[..., 1].astype(int)
    middle = lines[1:-1]
    return float((np.minimum(np.abs(middle - lines[:-2]), np.abs(middle - lines[2:])) > 60).mean())


def test_interlaced_video_is_deinterlaced(tmp_path):
    options = {"flags": "+ilme+ildct", "b": "4000000", "g": "6"}
    path = write_video(tmp_path / "a.ts", codec="mpeg2video", num_frames=8, draw=fields, options=options)
    with av.open(str(path)) as container:
        raw = next(container.decode(video=0))
        assert raw.interlaced_frame
        assert combs(raw.to_ndarray(format="rgb24")) > 0.03
    frames = list(Video(path).frames(range(8)))
    assert [frame.index for frame in frames] == list(range(8))
    assert max(combs(frame.pixels) for frame in frames) < 0.01


def test_size_may_change_midway_even_if_interlaced(tmp_path):
    options = {"flags": "+ilme+ildct", "b": "4000000", "g": "6"}
    settings = {"codec": "mpeg2video", "num_frames": 8, "options": options}
    wide = write_video(tmp_path / "wide.ts", draw=fields, **settings)
    later = write_video(
        tmp_path / "square.ts", draw=lambda number: fields(number)[:, :64], times=range(8, 16), **settings
    )
    path = tmp_path / "both.ts"
    path.write_bytes(wide.read_bytes() + later.read_bytes())
    video = Video(path)
    widths = [frame.width for frame in video.frames(range(len(video.timeline)))]
    # One frame may be lost at the seam.
    assert widths in ([128] * 8 + [64] * 8, [128] * 7 + [64] * 8)
    frames = list(video.frames(range(len(video.timeline))))
    assert max(combs(frame.pixels) for frame in frames) < 0.01


def test_file_cut_short_gives_what_is_left_and_says_so(tmp_path):
    whole = write_video(tmp_path / "whole.mkv", num_frames=200, options={"g": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    video = Video(cut)
    assert 20 < video.info.num_frames < 180
    assert "of 8.00 s" in video.info.damage
    assert numbers(video, [0, 19]) == [(0, 0), (19, 19)]
    assert Video(whole).info.damage == ""


def test_damaged_packet_costs_its_frames_only(tmp_path):
    path = write_video(tmp_path / "a.mkv", codec="mjpeg", pix_fmt="yuvj420p", num_frames=20)
    with av.open(str(path)) as container:
        hit = bytes([packet for packet in container.demux(video=0) if packet.size][10])
    path.write_bytes(path.read_bytes().replace(hit, bytes(len(hit))))
    video = Video(path)
    shown = [number_in(frame.pixels) for frame in video.frames(range(20))]
    assert shown == [*range(10), *range(11, 20)]
    assert video.num_damaged_packets == 1


NO_VIDEOS = {
    "empty": (b"", "empty"),
    "text": (b"no video, only words\n" * 50, "is no video"),
    "half an index": (b"\0\0\0\x20ftypisom" + bytes(400), "is no video"),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nplain.mp4\n#EXT-X-ENDLIST\n", "is no video"),
    "list of files": (b"ffconcat version 1.0\nfile plain.mp4\n", "not read here"),
}


@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_what_is_no_video_is_refused(kind, plain, tmp_path):
    data, words = NO_VIDEOS[kind]
    (tmp_path / "plain.mp4").write_bytes(plain.read_bytes())
    path = tmp_path / "named.mp4"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=words):
        probe(path)


def test_still_picture_is_no_video(tmp_path):
    path = write_video(tmp_path / "a.jpg", codec="mjpeg", pix_fmt="yuvj420p", num_frames=1)
    path = path.rename(tmp_path / "a.mp4")
    with pytest.raises(DecodeError, match="not read here"):
        probe(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DecodeError, match="no video stream .its streams: audio"):
        probe(path)


def test_limits_are_held(plain):
    with pytest.raises(TooLargeError, match="bytes"):
        probe(plain, limits=Limits(max_bytes=1000))
    with pytest.raises(TooLargeError, match="128 x 64"):
        probe(plain, limits=Limits(max_pixels=WIDTH * HEIGHT - 1))
    with pytest.raises(TooLongError, match="at most 1 s"):
        probe(plain, limits=Limits(max_duration_sec=1.0))
    assert probe(plain, limits=Limits(max_pixels=WIDTH * HEIGHT, max_duration_sec=1.7)).num_frames == 40


def test_check_can_end_the_work(plain):
    def stop():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        Video(plain, check=stop)


def test_metadata_that_is_no_text_is_no_matter(tmp_path):
    path = write_video(tmp_path / "a.mkv", num_frames=2)
    path.write_bytes(path.read_bytes().replace(b"ENCODER", b"\xa7NCODER"))
    assert probe(path).num_frames == 2


@pytest.mark.parametrize(("transfer", "told"), [(16, "HDR (PQ)"), (18, "HDR (HLG)"), (1, "")])
def test_high_dynamic_range_is_told(tmp_path, transfer, told):
    def prepare(stream):
        stream.codec_context.color_trc = transfer

    info = Video(write_video(tmp_path / "a.mp4", num_frames=5, prepare=prepare)).info
    assert told in info.damage
    assert bool(info.damage) == bool(told)
