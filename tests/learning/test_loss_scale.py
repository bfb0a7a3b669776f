"""The factor of the loss: halved at once, doubled after many good updates, and 1 where it is not needed."""

from deepfake_tf.learning.loss_scale import LossScale


def test_it_is_halved_until_1_and_then_can_no_more():
    scale = LossScale(active=True)
    assert float(scale.value) == 2**15
    assert [scale.shrink() for _ in range(16)] == [True] * 15 + [False]
    assert float(scale.value) == 1


def test_it_is_doubled_after_2000_good_updates_in_a_row():
    scale = LossScale(active=True)
    _, num_good = scale.variables
    num_good.assign(1998.0)
    scale.grow()
    assert float(scale.value) == 2**15
    scale.grow()
    assert float(scale.value) == 2**16
    scale.shrink()
    assert float(num_good) == 0


def test_full_precision_needs_none():
    scale = LossScale(active=False)
    scale.grow()
    assert not scale.shrink()
    assert (float(scale.value), scale.variables) == (1.0, [])
