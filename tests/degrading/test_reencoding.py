"""Videos stored again: which frames are left, at which times, and whether crops cut out again are the same crops."""

import dataclasses

import cv2
import numpy as np
import pytest

from deepfake_tf.decoding.video import Video
from deepfake_tf.degrading.reencoding import (
    StoredAgain,
    encode_again,
    extract_shifted,
    extract_stored_again,
    shift_of,
    write_h264,
)
from deepfake_tf.errors import ConfigError, DecodeError
from deepfake_tf.extraction import extract
from deepfake_tf.schema import ClipSpec, Limits
from tests.numbered import number_in, picture, write_video
from tests.portraits import scene

SPEC = ClipSpec(num_frames=2, clips_per_video=1, crop_size_px=64)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "numbered.mp4", options={"crf": "10"})


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    def draw(number):
        return scene([(200 + 4 * number, 100)])

    return write_video(tmp_path_factory.mktemp("videos") / "face.mp4", num_frames=8, draw=draw, options={"crf": "12"})


@pytest.mark.parametrize("keep_every", [1, 3])
def test_the_frames_that_are_kept_keep_their_times(numbered, tmp_path, keep_every):
    encode_again(numbered, tmp_path / "again.mp4", StoredAgain(keep_every=keep_every))
    again = Video(tmp_path / "again.mp4")
    frames = list(again.frames(range(len(again.timeline))))
    assert [number_in(frame.pixels) for frame in frames] == list(range(0, 40, keep_every))
    assert [frame.timestamp_us for frame in frames] == [40_000 * number for number in range(0, 40, keep_every)]


def test_no_rate_at_all_keeps_the_picture(numbered, tmp_path):
    encode_again(numbered, tmp_path / "again.mp4", StoredAgain())
    before, after = (next(iter(Video(path).frames([5]))).pixels for path in (numbered, tmp_path / "again.mp4"))
    # Red, green and blue become brightness and colour and back: that alone rounds.
    assert np.abs(before.astype(int) - after).max() <= 3


def test_a_lower_rate_makes_a_smaller_file_and_a_worse_picture(numbered, tmp_path):
    sizes, errors = [], []
    original = next(iter(Video(numbered).frames([20]))).pixels.astype(int)
    for rate_factor in (15, 30, 45):
        path = tmp_path / f"{rate_factor}.mp4"
        encode_again(numbered, path, StoredAgain(rate_factor=rate_factor))
        sizes.append(path.stat().st_size)
        errors.append(np.abs(next(iter(Video(path).frames([20]))).pixels - original).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


def test_odd_sizes_gain_an_edge(tmp_path):
    pixels = np.ascontiguousarray(picture(5)[:63, :127])
    write_h264(tmp_path / "odd.mp4", iter([(pixels, 0)]), fps=25, rate_factor=10)
    frame = next(iter(Video(tmp_path / "odd.mp4").frames([0])))
    assert (frame.width, frame.height) == (128, 64)


def test_no_pictures_are_no_video(tmp_path):
    with pytest.raises(DecodeError, match="None of the video's frames"):
        write_h264(tmp_path / "none.mp4", iter([]), fps=25, rate_factor=10)


@pytest.mark.parametrize("wrong", [{"rate_factor": 52}, {"rate_factor": -1}, {"keep_every": 0}])
def test_what_x264_does_not_know_is_refused(wrong):
    with pytest.raises(ConfigError, match="rate_factor must lie between"):
        StoredAgain(**wrong)


def test_a_video_stored_again_gives_clips_as_any_other(face):
    clean = extract(face, SPEC).clips
    again = extract_stored_again(str(face), SPEC, StoredAgain(), Limits())
    assert [clip.clip_id for clip in again] == [clip.clip_id for clip in clean]
    # What the detector says of nearly equal pictures is nearly equal.
    assert np.abs(again[0].boxes_xyxy_px - clean[0].boxes_xyxy_px).max() < 4
    worse = extract_stored_again(str(face), SPEC, StoredAgain(rate_factor=45), Limits())
    assert worse[0].sharpness.mean() < 0.7 * again[0].sharpness.mean()


def decode(clip):
    return np.stack([cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR) for crop in clip.crops]).astype(int)


def test_crops_cut_out_again_where_they_were_are_the_same_bytes(face):
    clips = extract(face, SPEC).clips
    assert extract_shifted(str(face), SPEC, clips, (0.0, 0.0), Limits())[0].crops == clips[0].crops


def test_a_shift_moves_the_crop_by_its_share_of_the_box(face):
    clips = extract(face, SPEC).clips
    moved = decode(extract_shifted(str(face), SPEC, clips, (0.25, 0.0), Limits())[0])
    # The square is the box with a margin of 0.3 on both sides: a quarter of the box is 64 * 0.25 / 1.6 = 10 pixels.
    errors = [np.abs(moved[:, :, : 64 - px] - decode(clips[0])[:, :, px:]).mean() for px in range(24)]
    assert int(np.argmin(errors)) == 10


def test_turned_crops_cannot_be_cut_out_again(face):
    spec = dataclasses.replace(SPEC, alignment="eyes")
    with pytest.raises(ConfigError, match="cannot be cut out again"):
        extract_shifted(str(face), spec, (), (0.1, 0.0), Limits())


def test_a_file_that_is_gone_is_an_error_and_one_that_is_broken_gives_no_clips(tmp_path):
    with pytest.raises(ConfigError, match="no such video file"):
        extract_stored_again(str(tmp_path / "gone.mp4"), SPEC, StoredAgain(), Limits())
    (tmp_path / "broken.mp4").write_text("text")
    assert extract_stored_again(str(tmp_path / "broken.mp4"), SPEC, StoredAgain(), Limits()) == ()


def test_shifts_have_their_length_and_point_everywhere():
    shifts = np.array([shift_of(0.2, number) for number in range(200)])
    assert np.allclose(np.hypot(*shifts.T), 0.2)
    assert np.abs(shifts.mean(axis=0)).max() < 0.01
