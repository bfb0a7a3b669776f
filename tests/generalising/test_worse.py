import numpy as np

from deepfake_tf.generalising import generalise, models, tables, worse
from deepfake_tf.generalising.scores import Said


def test_each_degradation_is_measured_against_the_same_clips_as_they_are(clips, tmp_path, monkeypatch):
    asked = []

    def judge(run_dir, some, ops=()):
        asked.append(ops)
        truth = np.where(some.labels == 1, 1.0, -1.0) + np.linspace(0, 0.1, len(some))
        return Said(some, -truth if ops else truth)

    monkeypatch.setattr(models, "judge", judge)
    told = []
    found = worse.measure(tmp_path, clips, generalise.ROBUSTNESS, lambda done, of: told.append((done, of)))
    assert list(found) == ["clean", "JPEG", "Shrinking", "H.264"]
    assert found["clean"]["clean"]["auc"] == 1
    assert found["JPEG"]["50"]["auc"] == 0
    assert found["H.264"]["33"]["against_clean"]["difference"] == -1
    rows = tables.worse_rows({"worse": found})
    assert [row[:2] for row in rows[1:]] == [("clean", ""), ("JPEG", "50"), ("Shrinking", "0.5"), ("H.264", "33")]
    assert rows[2][3].startswith("-1.000")
    assert asked[0] == ()
    assert told[-1] == (3, 4)
    # Nothing is left to chance: each op changes a picture, twice in the same way.
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    for (op,) in asked[1:]:
        changed = op(picture, 1)
        assert np.abs(changed.astype(int) - picture).mean() > 1
        np.testing.assert_array_equal(changed, op(picture, 2))
