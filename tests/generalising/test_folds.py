import dataclasses
from types import SimpleNamespace

import numpy as np

from deepfake_tf.generalising import folds
from deepfake_tf.generalising.scores import Said
from deepfake_tf.manifest import VideoEntry


def test_every_clip_is_judged_once_by_the_model_that_has_not_seen_its_group(clips):
    # Three groups of a real and a fake each. Names end in a number, even for a real and odd for a fake.
    groups = tuple(f"pair-{int(name[1:]) // 2}" for name in clips.video_ids)
    videos = dataclasses.replace(clips, groups=groups, face_groups=groups)
    made = dataclasses.replace(videos, methods=tuple("made" if label else "" for label in clips.labels))
    material = SimpleNamespace(videos=videos, of_videos=made, matched=videos)
    entries = [
        VideoEntry(name, None, label=int(label), group=group)
        for name, label, group in zip(videos.video_ids, videos.labels, groups, strict=True)
    ]
    judged = []

    def judge(number, own, own_made):
        assert set(own.groups) == set(own_made.groups)
        judged.extend(own.example_ids)
        # Of videos it is right, of what was made from them it is wrong.
        return Said(own, own.labels - 0.5), Said(own_made, 0.5 - own_made.labels)

    found = folds.judge_all(material, folds.assign(material, entries, num_folds=2, seed=0), judge)
    assert sorted(judged) == sorted(clips.example_ids)
    assert found["matched"]["auc"] == found["all"]["auc"] == 1
    assert found["made"]["auc"] == found["made"]["kinds"]["made"]["auc"] == 0
    # Calibrated by what was made: it says nothing there, so that it says nothing at all.
    assert {answer for one in found["verdicts"].values() for answer, number in one.items() if number} == {
        "INCONCLUSIVE"
    }
    # Three groups, however right, are too few to lift the silence.
    assert found["calibration"]["is_silent"]
    assert np.isclose(found["calibration"]["matched"]["ece"], 0.5, atol=0.01)


def test_a_made_fake_wears_nobody_whom_its_judge_may_have_learned_as_real(clips):
    groups = tuple(f"pair-{int(name[1:]) // 2}" for name in clips.video_ids)
    videos = dataclasses.replace(clips, groups=groups, face_groups=groups)
    # Each fake wears the face of the next group's person: in two folds of three groups, one wears its own fold's.
    fakes = {name for name, label in zip(videos.video_ids, videos.labels, strict=True) if label}
    worn = [f"pair-{(int(own[-1]) + label) % 3}" for own, label in zip(groups, videos.labels, strict=True)]
    methods = tuple("swapped" if label else "" for label in videos.labels)
    made = dataclasses.replace(videos, methods=methods, face_groups=tuple(worn))
    entries = [
        VideoEntry(name, None, label=int(label), group=group)
        for name, label, group in zip(videos.video_ids, videos.labels, groups, strict=True)
    ]
    kept = []

    def judge(number, own, own_made):
        assert set(own_made.face_groups) <= set(own.groups)
        kept.extend(own_made.video_ids)
        return Said(own, own.labels - 0.5), Said(own_made, own_made.labels - 0.5)

    material = SimpleNamespace(videos=videos, of_videos=made, matched=videos)
    folds.judge_all(material, folds.assign(material, entries, num_folds=2, seed=0), judge)
    assert len(set(kept) & fakes) == 1
    assert set(kept) - fakes == set(videos.video_ids) - fakes
