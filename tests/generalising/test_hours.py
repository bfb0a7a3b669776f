import pytest

from deepfake_tf.errors import ConfigError
from deepfake_tf.generalising import hours

SIZES = {"clips_of_a_rung": 2000, "clips_of_a_model": 2500}


def test_the_time_is_dealt_out_and_not_more():
    found = hours.deal(10, clips_per_sec=dict.fromkeys(("base", "ema", "mixed"), 50.0), num_folds=3, **SIZES)
    # 10 hours are 1,800,000 clips; 15 % are for the rest, 40 % of what is left is for the rungs and shuffled labels.
    left = 0.85 * 1_800_000
    assert found.of_a_rung == int(0.4 * left / 8000)
    assert found.of_a_model == 0
    found = found.with_models_of("ema", num_folds=3)
    assert found.of_a_model == int((left - 8000 * found.of_a_rung) / 10_000)
    # Not an epoch more of any kind fits.
    spent = 8000 * found.of_a_rung + 10_000 * found.of_a_model
    assert left - 10_000 < spent <= left
    assert hours.Hours(**found.to_json()) == found


def test_what_is_slow_gets_its_time_from_all():
    speeds = {"base": 50.0, "larger": 10.0}
    found = hours.deal(10, clips_per_sec=speeds, num_folds=2, **SIZES)
    # An epoch of each: 40 s, 200 s, and 40 s of shuffled labels; of 30,600 s four tenths are theirs.
    assert found.of_a_rung == int(12_240 / 280)
    left = 30_600 - 280 * found.of_a_rung
    assert found.with_models_of("base", 2).of_a_model == int(left / (3 * 50))
    # Taken, it is as slow in each fold, and where labels are shuffled.
    left -= 160 * found.of_a_rung
    assert found.with_models_of("larger", 2).of_a_model == int(left / (3 * 250))


def test_every_training_gets_an_epoch():
    speeds = {"base": 1.0, **dict.fromkeys("abcdefg", 1.0)}
    found = hours.deal(0.001, clips_per_sec=speeds, clips_of_a_rung=5000, clips_of_a_model=5000, num_folds=2)
    assert (found.of_a_rung, found.with_models_of("a", 2).of_a_model) == (1, 1)
    with pytest.raises(ConfigError, match="hours must be above 0"):
        hours.deal(0, clips_per_sec={"base": 1.0}, num_folds=2, **SIZES)


def test_no_rung_learns_for_more_epochs_than_what_is_published():
    alone = hours.deal(10, clips_per_sec={"base": 50.0}, clips_of_a_rung=2500, clips_of_a_model=2500, num_folds=2)
    # Two of rungs, with shuffled labels, and three of models.
    assert alone.of_a_rung == alone.with_models_of("base", 2).of_a_model == int(720 * 0.85 / 5)
