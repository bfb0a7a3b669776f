import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepfake_tf.batching.frame_windows import choose_frames

ALL = [True] * 8


@pytest.mark.parametrize(("at", "expected"), [(0.0, [0, 1, 2]), (0.5, [3, 4, 5]), (0.99, [5, 6, 7])])
def test_a_stretch_of_neighbours(at, expected):
    assert choose_frames(ALL, 3, "even", at).tolist() == expected


@pytest.mark.parametrize(("at", "expected"), [(0.0, [0, 2, 4, 6]), (0.5, [1, 3, 5, 7])])
def test_spread_frames_stay_spread_over_the_whole_clip(at, expected):
    assert choose_frames(ALL, 4, "spread", at).tolist() == expected


def test_every_stretch_comes_equally_often():
    starts = [choose_frames(ALL, 3, "all", at)[0] for at in np.arange(600) / 600]
    assert np.bincount(starts).tolist() == [100] * 6


def test_a_stretch_without_a_face_is_not_chosen():
    mask = [False] * 6 + [True] + [False]
    assert {tuple(choose_frames(mask, 2, "even", at)) for at in np.arange(100) / 100} == {(5, 6), (6, 7)}
    # There is nothing better to choose from.
    assert choose_frames([False] * 4, 2, "even", 0.5).tolist() == [1, 2]


@given(
    mask=st.lists(st.booleans(), min_size=1, max_size=40),
    share=st.floats(0, 1),
    at=st.floats(0, 1, exclude_max=True),
    placement=st.sampled_from(["even", "spread", "all"]),
)
@example(mask=[False] * 2, share=1.0, at=math.nextafter(1, 0), placement="spread")
@example(mask=[True] * 40, share=1.0, at=math.nextafter(1, 0), placement="spread")
def test_numbers_rise_and_lie_in_the_clip(mask, share, at, placement):
    num_frames = max(1, round(share * len(mask)))
    numbers = choose_frames(mask, num_frames, placement, at)
    assert numbers.dtype == np.int64
    assert len(numbers) == num_frames
    assert (np.diff(numbers) > 0).all()
    assert 0 <= numbers[0] <= numbers[-1] < len(mask)
    if placement != "spread" and any(mask):
        assert np.array(mask)[numbers].any()
