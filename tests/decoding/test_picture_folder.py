import struct
import zlib

import cv2
import numpy as np
import pytest

from deepfake_tf.decoding.picture_folder import PictureFolder
from deepfake_tf.errors import ConfigError, DecodeError, TooLargeError
from deepfake_tf.extraction import extract
from deepfake_tf.schema import ClipSpec, Limits, Outcome
from tests.portraits import portrait


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, each of its own colour."""
    for number in range(12):
        write(tmp_path / "crops" / f"{number}.png", np.full((40, 60, 3), (number, 2 * number, 255 - number), np.uint8))
    return tmp_path / "crops"


def test_pictures_are_frames_in_order(folder):
    video = PictureFolder(folder)
    assert (len(video.timeline), video.info.num_frames, video.info.fps) == (12, 12, 25)
    frames = list(video.frames({10, 2, 3}))
    assert [(frame.index, frame.timestamp_us) for frame in frames] == [(2, 80_000), (3, 120_000), (10, 400_000)]
    assert frames[2].pixels[0, 0].tolist() == [10, 20, 245]
    assert (video.info.width, video.info.height) == (60, 40)
    assert frames[0].shrunken(30).shape == (20, 30, 3)


def test_a_damaged_picture_is_left_out_and_counted(folder):
    (folder / "3.png").write_bytes(b"no picture")
    (folder / "4.png").write_bytes(b"")
    video = PictureFolder(folder)
    assert [frame.index for frame in video.frames(range(2, 6))] == [2, 5]
    assert video.num_damaged_packets == 2


def test_limits(folder):
    with pytest.raises(TooLargeError, match="at most 100 are allowed"):
        PictureFolder(folder, limits=Limits(max_bytes=100))
    with pytest.raises(TooLargeError, match="60 x 40"):
        list(PictureFolder(folder, limits=Limits(max_pixels=60)).frames({0}))


def chunk(kind, data):
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_that_says_it_is_enormous_costs_one_video(folder):
    # Of one bit each, they fit into a file of a megabyte; only the header is looked at.
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b""))
    (folder / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    found = extract(folder, ClipSpec(num_frames=4, clips_per_video=2))
    assert (found.outcome, found.clips) == (Outcome.TOO_LARGE, ())
    assert "3.png has more pixels than can be decoded" in found.reason


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(DecodeError, match="holds no pictures"):
        PictureFolder(tmp_path)
    with pytest.raises(ConfigError, match="no such video file"):
        extract(tmp_path, ClipSpec())


def test_the_face_of_every_picture_is_found(tmp_path):
    for number in range(8):
        write(tmp_path / "crops" / f"{number}.png", portrait()[: 300 - number, 80:380])
    found = extract(tmp_path / "crops", ClipSpec(num_frames=4, clips_per_video=2))
    assert (found.outcome, found.coverage, len(found.clips)) == (Outcome.OK, 1.0, 2)
    assert found.clips[1].frame_indices.tolist() == [4, 5, 6, 7]
