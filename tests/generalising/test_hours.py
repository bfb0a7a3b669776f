import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising import hours


def test_the_time_is_dealt_out_and_not_more():
    sizes = {"clips_of_a_rung": 2000, "clips_of_a_model": 2500}
    found = hours.deal(10, clips_per_sec=50, num_rungs=4, num_folds=3, **sizes)
    # 10 hours are 1,800,000 clips; 15 % are for the rest, 40 % of what is left is for the rungs.
    left = 0.85 * 1_800_000
    assert found.of_a_rung == int(0.4 * left / 8000)
    assert found.of_a_model == int((left - 8000 * found.of_a_rung) / 10_000)
    # Not an epoch more of any kind fits.
    spent = 8000 * found.of_a_rung + 10_000 * found.of_a_model
    assert left - 10_000 < spent <= left


def test_every_training_gets_an_epoch():
    found = hours.deal(0.001, clips_per_sec=1, clips_of_a_rung=5000, clips_of_a_model=5000, num_rungs=9, num_folds=2)
    assert (found.of_a_rung, found.of_a_model) == (1, 1)
    with pytest.raises(ConfigError, match="hours must be above 0"):
        hours.deal(0, clips_per_sec=1, clips_of_a_rung=1, clips_of_a_model=1, num_rungs=1, num_folds=2)


def test_no_rung_learns_for_more_epochs_than_what_is_published():
    alone = hours.deal(10, clips_per_sec=50, clips_of_a_rung=2500, clips_of_a_model=2500, num_rungs=1, num_folds=2)
    assert alone.of_a_rung == alone.of_a_model == int(720 * 0.85 / 4)
