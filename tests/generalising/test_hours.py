import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising import hours


def test_the_time_is_dealt_out_and_not_more():
    found = hours.deal(10, clips_per_sec=50, num_clips=2500, num_rungs=4, num_folds=3)
    # 10 hours are 720 epochs of 50 s; 15 % are for the rest.
    assert found.of_a_rung == int(720 * 0.85 * 0.4 / 4)
    assert found.of_a_model == int(720 * 0.85 * 0.6 / 4)
    assert 4 * found.of_a_rung + 4 * found.of_a_model <= 720


def test_every_training_gets_an_epoch():
    found = hours.deal(0.001, clips_per_sec=1, num_clips=5000, num_rungs=9, num_folds=2)
    assert (found.of_a_rung, found.of_a_model) == (1, 1)
    with pytest.raises(ConfigError, match="hours must be above 0"):
        hours.deal(0, clips_per_sec=1, num_clips=1, num_rungs=1, num_folds=2)


def test_no_rung_learns_for_longer_than_what_is_published():
    alone = hours.deal(10, clips_per_sec=50, num_clips=2500, num_rungs=1, num_folds=2)
    assert alone.of_a_rung == alone.of_a_model == int(720 * 0.85 / 4)
