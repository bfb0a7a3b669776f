import cv2
import numpy as np
import pytest

from deepfake_tf import blending, face_regions
from deepfake_tf.blending import SelfBlend
from deepfake_tf.errors import ConfigError

SIZE = 96
SEEDS = range(40)


def make_frame(seed=0):
    """A picture with coarse and fine detail."""
    random = np.random.default_rng(seed)
    coarse = cv2.resize(
        random.integers(40, 216, (6, 6, 3), dtype=np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC
    )
    fine = random.normal(0, 12, coarse.shape)
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)


def make_still_clip(num_frames=4):
    return np.repeat(make_frame()[None], num_frames, axis=0)


def make_keypoints(num_frames=4):
    return np.repeat(face_regions.TYPICAL_KEYPOINTS[None] * SIZE, num_frames, axis=0)


@pytest.mark.parametrize("num_frames", [1, 4])
def test_shapes_types_and_the_clip_is_not_touched(num_frames):
    clip = make_still_clip(num_frames)
    before = clip.copy()
    made = SelfBlend()(clip, 0, keypoints_px=make_keypoints(num_frames))
    assert made.clip.shape == clip.shape
    assert made.clip.dtype == np.uint8
    assert made.weights.shape == clip.shape[:3]
    assert made.weights.dtype == np.float32
    assert 0 <= made.weights.min() <= made.weights.max() <= 1
    np.testing.assert_array_equal(clip, before)


def test_same_seed_same_fake_and_seeds_differ():
    clip = make_still_clip()
    made = [SelfBlend()(clip, seed).clip.tobytes() for seed in SEEDS]
    assert made == [SelfBlend()(clip, seed).clip.tobytes() for seed in SEEDS]
    assert len(set(made)) == len(SEEDS)


def test_equal_frames_stay_equal_without_tremble_and_only_then():
    def is_still(made):
        return bool((made.clip == made.clip[:1]).all())

    clip = make_still_clip()
    assert all(is_still(SelfBlend(tremble=0)(clip, seed)) for seed in SEEDS)
    assert not any(is_still(SelfBlend(tremble=1)(clip, seed)) for seed in SEEDS)


def test_every_fake_has_a_trace_and_none_is_absurd():
    clip = make_still_clip(1)
    for seed in SEEDS:
        made = SelfBlend()(clip, seed)
        difference = np.abs(made.clip.astype(int) - clip)
        assert 0.05 < difference.mean()
        # Colours shift by tens of grey levels, they do not turn into others.
        assert np.abs(made.clip.mean(axis=(0, 1, 2)) - clip.mean(axis=(0, 1, 2))).max() < 45
        assert 0.005 < (made.weights > 0.05).mean() < 0.45


def test_source_and_target_meet_at_the_seam():
    """Inside and outside are each an even change of the clip; what tells a fake is that they are two."""
    grey = np.full((1, SIZE, SIZE, 3), 120, np.uint8)
    gaps = []
    for seed in SEEDS:
        made = SelfBlend(strengths=(1.0,), light=0, seams=(0.006, 0.05), tremble=0)(grey, seed)
        inside, outside = made.clip[made.weights > 0.99], made.clip[made.weights < 0.001]
        assert np.ptp(inside, axis=0).max() <= 1
        assert np.ptp(outside, axis=0).max() <= 1
        gaps.append(np.abs(inside.mean(axis=0) - outside.mean(axis=0)).max())
    assert 2 < np.median(gaps) < 10
    assert max(gaps) > 10


@pytest.mark.parametrize("shape", ["face", "oval"])
def test_outlines_are_deformed_anew_for_each_fake_and_stay_in_one_piece(shape):
    clip = make_still_clip(1)
    regions = [SelfBlend(shapes=(shape,), strengths=(1.0,), tremble=0)(clip, seed).weights[0] > 0.5 for seed in SEEDS]
    overlaps = [(one & other).sum() / (one | other).sum() for one, other in zip(regions, regions[1:], strict=False)]
    # The same part of the face, never the same outline.
    assert 0.45 < min(overlaps) <= max(overlaps) < 0.99
    assert all(cv2.connectedComponents(region.astype(np.uint8))[0] == 2 for region in regions)


def test_source_and_target_differ_in_sharpness_one_way_or_the_other():
    """Colours left alone, fine detail in the face is weaker or stronger than it was beside it."""
    clip = make_still_clip(1)
    detail = np.abs(cv2.Laplacian(clip[0], cv2.CV_32F)).mean(axis=-1)
    ratios = []
    for seed in SEEDS:
        alike = {"colour": 0, "light": 0, "tremble": 0, "max_shift": 0, "max_zoom": 0, "seams": (0.006, 0.05)}
        made = SelfBlend(strengths=(1.0,), **alike)(clip, seed)
        found = np.abs(cv2.Laplacian(made.clip[0], cv2.CV_32F)).mean(axis=-1)
        inside, outside = made.weights[0] > 0.95, made.weights[0] < 0.05
        ratios.append((found[inside].mean() / detail[inside].mean()) / (found[outside].mean() / detail[outside].mean()))
    ratios = np.log(ratios)
    assert (ratios > 0.1).sum() >= 5
    assert (ratios < -0.1).sum() >= 5
    plain = SelfBlend(sharpness=False, strengths=(1.0,), **alike)
    np.testing.assert_array_equal(plain(clip, 0).clip, clip)


@pytest.mark.parametrize(
    ("change", "least", "most"),
    [
        ("_blurred", 0, 0.3),
        ("_shrunk", 0, 0.3),
        ("_smoothed", 0, 0.7),
        ("sharpen", 1.3, 4),
        ("_compressed", 0, 0.3),
    ],
)
def test_the_copies_differ_in_their_highest_frequencies(change, least, most):
    """Measured in the blocks that JPEG works in, where a history of compression shows as well."""

    def highest(frame):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        blocks = grey.reshape(SIZE // 8, 8, SIZE // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
        return np.mean([np.abs(cv2.dct(block)[5:, 5:]).mean() for block in blocks])

    frame = make_frame()
    assert least <= highest(getattr(blending, change)(frame, 1.0)) / highest(frame) <= most


def test_a_fake_without_a_trace_is_drawn_anew(monkeypatch):
    grey = np.full((1, SIZE, SIZE, 3), 120, np.uint8)
    alike = {"shapes": ("face",), "light": 0, "sharpness": False, "strengths": (1.0,), "seams": (0.006, 0.05)}

    def share_of_faint(num_tries):
        monkeypatch.setattr(blending, "_MAX_TRIES", num_tries)
        made = [SelfBlend(tremble=0, **alike)(grey, seed) for seed in range(60)]
        pairs = [(one.clip[one.weights > 0.99], one.clip[one.weights < 0.001]) for one in made]
        return np.mean([np.abs(inside.mean(axis=0) - outside.mean(axis=0)).mean() < 1.5 for inside, outside in pairs])

    assert share_of_faint(4) < 0.6 * share_of_faint(1)


def test_either_copy_may_be_the_changed_one():
    clip = make_still_clip(1)
    outside_kept = []
    for seed in SEEDS:
        made = SelfBlend()(clip, seed)
        outside_kept.append(bool((made.clip == clip)[made.weights == 0].all()))
    assert 8 <= sum(outside_kept) <= 32


def test_the_seam_follows_the_face():
    keypoints = make_keypoints(3)
    keypoints[:, :, 0] += np.array([-8, 0, 8], np.float32)[:, None]
    weights = SelfBlend(tremble=0)(make_still_clip(3), 5, keypoints_px=keypoints).weights
    middles = [np.argwhere(one > 0.3)[:, 1].mean() for one in weights]
    np.testing.assert_allclose(np.diff(middles), 8, atol=0.7)


def test_missing_frames_stay_as_they_are():
    clip = make_still_clip(4)
    clip[2] = 0
    keypoints = make_keypoints(4)
    keypoints[2] = 0
    mask = np.array([True, True, False, True])
    made = SelfBlend(tremble=0)(clip, 1, keypoints_px=keypoints, mask=mask)
    assert not made.clip[2].any()
    assert not made.weights[2].any()
    np.testing.assert_array_equal(made.clip[0], made.clip[3])


def test_strength_is_the_share_in_the_middle():
    clip = make_still_clip(1)
    for strength in (0.3, 0.7, 1.0):
        weights = SelfBlend(strengths=(strength,), shapes=("face",), tremble=0)(clip, 2).weights
        assert weights.max() == pytest.approx(strength, abs=0.02)


def test_not_every_fake_is_softer_inside():
    """Moving the source resamples it: if that always blurred it, sharpness would tell fakes by how they are made."""
    clip = make_still_clip(1)
    softer = []
    for seed in SEEDS:
        made = SelfBlend(colour=0, light=0, sharpness=False, strengths=(1.0,), shapes=("face",), tremble=0)(clip, seed)
        inside = made.weights[0] > 0.95
        detail = [np.abs(cv2.Laplacian(one, cv2.CV_32F))[inside].mean() for one in (made.clip[0], clip[0])]
        softer.append(detail[0] < 0.75 * detail[1])
    assert 0.2 < np.mean(softer) < 0.9


def test_light_changes_slowly_and_only_if_wanted():
    grey = np.full((1, SIZE, SIZE, 3), 120, np.uint8)
    alike = {"colour": 0, "sharpness": False, "strengths": (1.0,), "tremble": 0, "shapes": ("face",), "inside": 1.0}
    spans = []
    for seed in SEEDS:
        made = SelfBlend(light=1.0, **alike)(grey, seed)
        inside = made.weights[0] > 0.99
        spans.append(np.ptp(made.clip[0][inside].astype(int)) if inside.any() else 0)
        across = np.abs(np.diff(made.clip[0].astype(int), axis=1)).max()
        assert across <= 20
    assert 8 < np.quantile(spans, 0.9) < 100
    np.testing.assert_array_equal(SelfBlend(light=0, **alike)(grey, 0).clip, grey)


def test_the_changed_copy_is_inside_as_often_as_asked():
    clip = make_still_clip(1)
    for inside in (0.0, 1.0):
        made = [SelfBlend(inside=inside, tremble=0)(clip, seed) for seed in SEEDS]
        kept = [bool((one.clip == clip)[one.weights == 0].all()) for one in made]
        assert np.mean(kept) > 0.9 if inside else np.mean(kept) < 0.2


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="shapes must be some of face"):
        SelfBlend(shapes=("hat",))
    with pytest.raises(ConfigError, match=r"strengths must lie in \(0, 1\]"):
        SelfBlend(strengths=(0.0, 1.0))
    with pytest.raises(ConfigError, match="seams must be two shares"):
        SelfBlend(seams=(0.02, 0.01))
