"""Batches against the clips they were made from."""

import io
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deepfake_tf import augment, plugins, records
from deepfake_tf.augment import sensor_noise
from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.batching.loading import Loading
from deepfake_tf.batching.pixel_cache import PixelCache
from deepfake_tf.batching.sampling import Sampling
from deepfake_tf.batching.timing import Timing
from deepfake_tf.errors import ConfigError, DataError
from tests.clips_of_squares import both_classes, write_data


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp("data"), {"train": [*both_classes("t", 3), ("extra", 0)]})
    return list_clips(data, ["train"])


def an_epoch(clips, *, number=1, loading=None, **options):
    """The batches of epoch `number`, counted from 1, as NumPy arrays."""
    sampling = Sampling(**({"recipe": "none", "batch_size": 4, "seed": 5} | options))
    steps = clips.num_batches(sampling.batch_size)
    batches = dataset.for_training(clips, sampling, loading=loading).skip((number - 1) * steps).take(steps)
    return list(batches.as_numpy_iterator())


def joined(batches):
    """One array for each of clips, mask, labels and weights."""
    rows = [(inputs["clips"], inputs["mask"], label, weight) for inputs, label, weight in batches]
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def truth(clips, row):
    """The pixels of a clip, decoded by Pillow's own libjpeg, and its mask."""
    jpegs, mask = clips.read(row)
    return np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in jpegs]), mask


def test_evaluation_gives_every_clip_once_in_order(clips):
    batches = list(dataset.for_evaluation(clips, batch_size=4).as_numpy_iterator())
    assert [len(batch["mask"]) for batch in batches] == [4, 4, 4, 2]
    pixels = np.concatenate([batch["clips"] for batch in batches])
    masks = np.concatenate([batch["mask"] for batch in batches])
    assert (pixels.dtype, masks.dtype) == (np.uint8, np.bool_)
    for row in range(len(clips)):
        expected, mask = truth(clips, row)
        np.testing.assert_array_equal(masks[row], mask)
        np.testing.assert_allclose(pixels[row].astype(int), expected, atol=1)


def test_evaluation_through_ops_changes_each_clip_by_its_name_and_the_seed(clips):
    ops = (sensor_noise.Op(probability=1.0),)

    def pixels_of(table, seed):
        batches = dataset.for_evaluation(table, batch_size=4, ops=ops, seed=seed).as_numpy_iterator()
        return np.concatenate([batch["clips"] for batch in batches])

    changed, plain = pixels_of(clips, 3), np.stack([truth(clips, row)[0] for row in range(len(clips))])
    masks = np.stack([truth(clips, row)[1] for row in range(len(clips))])
    assert 1 < np.abs(changed[masks].astype(int) - plain[masks]).mean() < 40
    assert not changed[~masks].any()
    # Whatever stands beside it, so that work can be cut into parts anywhere.
    rows = [5, 1]
    np.testing.assert_array_equal(pixels_of(clips.select(rows), 3), changed[rows])
    assert (pixels_of(clips, 4)[masks] != changed[masks]).mean() > 0.5


def test_pixels_equal_those_of_a_served_model_exactly(clips):
    # A servable decodes so (see export.py); one grey level off and it judges other clips than it learned from.
    batch = next(dataset.for_evaluation(clips, batch_size=len(clips)).as_numpy_iterator())
    for row in range(len(clips)):
        decode = [tf.io.decode_jpeg(one, channels=3, dct_method="INTEGER_ACCURATE") for one in clips.read(row)[0]]
        np.testing.assert_array_equal(batch["clips"][row], np.stack(decode))


def test_every_epoch_has_every_clip_once_in_a_new_order(clips):
    order = np.argsort([truth(clips, row)[0].sum() for row in range(len(clips))])
    epochs = [joined(an_epoch(clips, number=number))[0] for number in (1, 2)]
    sums = [[clip.sum() for clip in epoch] for epoch in epochs]
    assert sorted(sums[0]) == sorted(sums[1])
    assert len(set(sums[0])) == len(order)
    assert sums[0] != sums[1]


def test_labels_and_weights_belong_to_the_clips(clips):
    pixels, _, labels, weights = joined(an_epoch(clips, class_weights=(0.25, 4.0)))
    # A fake has a bright square in the middle.
    bright = pixels[:, 0, 6:10, 6:10].mean(axis=(1, 2, 3)) > 140
    np.testing.assert_array_equal(labels, bright.astype(np.float32))
    np.testing.assert_array_equal(weights, np.where(bright, np.float32(4.0), np.float32(0.25)))


@pytest.mark.parametrize("recipe", plugins.names("recipes"))
def test_one_seed_gives_one_stream_however_many_threads(clips, recipe):
    first, second = (an_epoch(clips, number=2, recipe=recipe) for _ in range(2))
    for one, other in zip(joined(first), joined(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_another_stream(clips):
    one, other = (joined(an_epoch(clips, seed=seed))[0] for seed in (1, 2))
    assert (one != other).any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"balance": "class", "blended_share": 0.5},
        {"balance": "pairs", "blended_share": 0.3, "mixed_share": 0.5},
        {"balance": "method"},
    ],
    ids=lambda options: "-".join(options) or "none",
)
def test_a_training_that_goes_on_at_any_batch_sees_what_would_have_come(clips, options):
    sampling = Sampling(recipe="basic", batch_size=4, seed=5, **options)
    total = 2 * clips.num_batches(4) + 1
    whole = list(dataset.for_training(clips, sampling).take(total).as_numpy_iterator())
    for first_batch in range(1, total):
        late = dataset.for_training(clips, sampling, first_batch=first_batch).take(total - first_batch)
        for one, other in zip(joined(late.as_numpy_iterator()), joined(whole[first_batch:]), strict=True):
            np.testing.assert_array_equal(one, other)


def test_augmentation_is_the_recipe_with_one_draw_a_clip(clips, monkeypatch):
    calls = []
    apply = augment.apply
    monkeypatch.setattr(augment, "apply", lambda *args, **face: calls.append(args[2]) or apply(*args, **face))
    an_epoch(clips, recipe="basic")
    of_an_epoch = set(calls[: len(clips)])
    assert len(of_an_epoch) == len(clips)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cache", ["", "memory", "disk"])
def test_threads_and_cache_change_nothing(clips, tmp_path, threads, cache):
    options = {"recipe": "robust", "balance": "pairs", "blended_share": 0.5}
    expected = an_epoch(clips, **options)
    loading = Loading(num_threads=threads, cache=tmp_path if cache == "disk" else cache)
    # The second time round, the clips come from the cache.
    for _ in range(2):
        for one, other in zip(joined(an_epoch(clips, loading=loading, **options)), joined(expected), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("balance", ["none", "pairs"])
@pytest.mark.parametrize("cache", ["", "memory", "disk"])
def test_fewer_frames_are_a_random_stretch_of_those_stored(clips, tmp_path, balance, cache):
    some = clips.with_num_frames(2)
    stored = next(dataset.for_evaluation(clips, batch_size=len(clips)).as_numpy_iterator())["clips"]
    stretches = [{clip[start : start + 2].tobytes(): start for clip in stored} for start in range(3)]
    loading = Loading(cache=tmp_path if cache == "disk" else cache)
    starts = []
    for number in range(1, 7):
        pixels, masks, _, _ = joined(an_epoch(some, number=number, balance=balance, loading=loading))
        assert (pixels.shape[1], masks.shape[1]) == (2, 2)
        starts += [next(found[one.tobytes()] for found in stretches if one.tobytes() in found) for one in pixels]
    assert set(starts) == {0, 1, 2}
    if balance == "pairs":
        assert starts[::2] == starts[1::2]


def test_evaluation_on_fewer_frames_takes_the_middle_ones(clips):
    def pixels(table):
        return next(dataset.for_evaluation(table, batch_size=len(clips)).as_numpy_iterator())["clips"]

    np.testing.assert_array_equal(pixels(clips.with_num_frames(2)), pixels(clips)[:, 1:3])


def test_a_kept_clip_is_not_decoded_again(clips, tmp_path):
    for expected in (len(clips), 0):
        timing = Timing()
        an_epoch(clips, loading=Loading(cache=tmp_path, timing=timing, num_threads=1))
        snapshot = timing.snapshot()
        # The next epoch is begun ahead of time, so that more may be read than was asked for.
        assert snapshot["read"]["count"] >= len(clips)
        assert snapshot.get("decode", {"count": 0})["count"] == expected


def test_changed_shards_are_not_taken_from_the_cache(tmp_path):
    def pixels(seed):
        data = write_data(tmp_path / "data", {"train": both_classes("t", 2)}, seed=seed)
        batches = dataset.for_evaluation(list_clips(data, ["train"]), batch_size=8, loading=Loading(cache=tmp_path))
        return next(batches.as_numpy_iterator())["clips"]

    assert (pixels(1) != pixels(2)).any()


def test_a_shard_that_was_written_anew_has_a_cache_of_its_own(tmp_path):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    cache = tmp_path / "cache"
    for time_ns in (10**18, 10**18 + 1):
        os.utime(records.shard_paths(data, "train")[0], ns=(time_ns, time_ns))
        dataset.for_evaluation(list_clips(data, ["train"]), batch_size=8, loading=Loading(cache=cache))
    assert len(list(cache.glob("*.uint8"))) == 2


def test_workers_that_make_a_cache_at_once_share_it(clips, tmp_path, monkeypatch):
    first = PixelCache(clips, tmp_path)
    pixels = np.full((1, 16, 16, 3), 7, np.uint8)
    first.keep(2, np.array([1]), pixels)
    # The other looked before the first had made it.
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.suffix not in (".uint8", ".there") and exists(path))
    second = PixelCache(clips, tmp_path)
    second.keep(2, np.array([3]), pixels + 1)
    for cache in (first, second):
        found = np.zeros((4, 16, 16, 3), np.uint8)
        assert cache.copy_to(2, np.arange(4), found).tolist() == [False, True, False, True]
        assert found[:, 0, 0, 0].tolist() == [0, 7, 0, 8]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cache_that_cannot_be_kept_is_an_error_in_words(clips, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be kept in"):
        dataset.for_evaluation(clips, batch_size=4, loading=Loading(cache=tmp_path / "file" / "folder"))


@pytest.mark.parametrize("balance", ["none", "class", "pairs"])
def test_two_workers_see_the_two_halves_of_every_batch(clips, balance):
    sampling = Sampling(recipe="basic", batch_size=4, seed=5, balance=balance)
    count = 2 * clips.num_batches(4)
    parts = [Loading(worker=number, num_workers=2) for number in (0, 1)]
    halves = [
        list(dataset.for_training(clips, sampling, loading=part).take(count).as_numpy_iterator()) for part in parts
    ]
    whole = list(dataset.for_training(clips, sampling).take(count).as_numpy_iterator())
    for first, second, both in zip(*halves, whole, strict=True):
        together = joined([first, second])
        for one, other in zip(together, joined([both]), strict=True):
            # The last batch of an epoch without balance is filled up for the workers.
            np.testing.assert_array_equal(one[: len(other)], other)
        assert len(together[0]) == 4


def test_out_of_order_is_the_same_epoch_in_another_order(clips):
    expected = joined(an_epoch(clips, recipe="basic"))[0]
    found = joined(an_epoch(clips, recipe="basic", loading=Loading(deterministic=False, num_threads=4)))[0]
    assert sorted(one.tobytes() for one in found) == sorted(one.tobytes() for one in expected)


def test_self_blended_fakes_are_reals_with_a_seam(clips):
    reals = {truth_bytes(clips, row) for row in range(len(clips)) if clips.labels[row] == 0}
    pixels, masks, labels, _ = joined(an_epoch(clips, balance="pairs", blended_share=1.0))
    # Of a pair, the second is made from the first.
    for real, fake, mask in zip(pixels[::2], pixels[1::2], masks[1::2], strict=True):
        assert real.tobytes() in reals
        difference = np.abs(fake.astype(int) - real).mean(axis=(1, 2, 3))
        assert (difference[mask] > 0.1).all()
        assert (difference < 40).all()
        assert not fake[~mask].any()
    np.testing.assert_array_equal(labels, np.arange(len(labels)) % 2)


def truth_bytes(clips, row):
    return next(dataset.for_evaluation(clips.select([row]), batch_size=1).as_numpy_iterator())["clips"].tobytes()


def test_mixed_fakes_lie_between_the_fake_and_its_own_real(tmp_path):
    data = write_data(tmp_path, {"train": both_classes("t", 3)}, originals={f"t{n}": f"t{n - 1}" for n in (1, 3, 5)})
    clips = list_clips(data, ["train"])
    stored = next(dataset.for_evaluation(clips, batch_size=len(clips)).as_numpy_iterator())
    pixels, masks, labels, _ = joined(an_epoch(clips, balance="pairs", mixed_share=1.0))
    assert ((labels[1::2] > 0) & (labels[1::2] < 1)).any()
    for real, mixed, mask, label in zip(pixels[::2], pixels[1::2], masks[1::2], labels[1::2], strict=True):
        row = next(n for n in range(len(clips)) if (stored["clips"][n] == real).all())
        # Its fake is the next video: two clips on.
        expected = label * stored["clips"][row + 2].astype(float) + (1 - label) * real
        np.testing.assert_allclose(mixed[mask], expected[mask], atol=0.51)


@pytest.mark.parametrize(
    ("options", "loading", "message"),
    [
        ({"batch_size": 4}, {"num_workers": 3}, "multiple of num_workers"),
        ({"batch_size": 4, "balance": "pairs"}, {"num_workers": 4}, "multiple of num_workers"),
    ],
)
def test_a_batch_that_cannot_be_parted_is_refused(clips, options, loading, message):
    with pytest.raises(ConfigError, match=message):
        dataset.for_training(clips, Sampling(**options), loading=Loading(**loading))


@pytest.mark.parametrize("options", [{"worker": 2, "num_workers": 2}, {"worker": -1}, {"num_threads": 0}])
def test_nonsense_loading_is_refused(options):
    with pytest.raises(ConfigError, match="Received"):
        Loading(**options)


def test_few_batches_are_made_ahead(clips):
    timing = Timing()
    sampling = Sampling(recipe="none", batch_size=2)
    iterator = iter(dataset.for_training(clips, sampling, loading=Loading(timing=timing, num_threads=2)))
    next(iterator)
    time.sleep(1)
    # The one that was asked for, two that wait, and two for each thread.
    assert timing.snapshot()["read"]["count"] <= 2 * (1 + 2 + 4)


def test_nothing_is_tuned_so_that_nobody_waits_for_the_tuning_to_end(clips):
    for made in (dataset.for_training(clips, Sampling(batch_size=2)), dataset.for_evaluation(clips, batch_size=2)):
        assert made.options().autotune.enabled is False


def test_time_is_told_by_stage(clips):
    timing = Timing()
    sampling = Sampling(recipe="basic", batch_size=4, balance="class", blended_share=0.5)
    batches = dataset.for_training(clips, sampling, loading=Loading(timing=timing))
    assert len(list(timing.watch(batches.take(5)))) == 5
    snapshot = timing.snapshot()
    assert {"read", "decode", "blend", "augment", "wait", "elapsed"} == set(snapshot)
    assert snapshot["wait"]["count"] == 6  # the last finds that there are no more
    assert snapshot["decode"]["count"] >= 20
    assert "decode" in timing.to_text()


@pytest.mark.parametrize("recipe", ["basic", "robust"])
def test_what_is_missing_stays_blank_whatever_the_augmentation(clips, recipe):
    pixels, masks, _, _ = joined([*an_epoch(clips, recipe=recipe), *an_epoch(clips, recipe=recipe, number=2)])
    assert not masks.all()
    assert not pixels[~masks].any()
    assert pixels[masks].any(axis=(1, 2, 3)).all()


def test_classes_weigh_the_same_and_clips_one_on_average(clips):
    real, fake = dataset.balanced_weights(clips)
    counts = clips.label_counts()
    assert counts == {"real": 8, "fake": 6}
    assert real * 8 == pytest.approx(fake * 6) == pytest.approx(7)


def test_one_class_has_no_weights(clips):
    with pytest.raises(DataError, match="0 fake"):
        dataset.balanced_weights(clips.select(np.flatnonzero(clips.labels == 0)))


@pytest.mark.parametrize("crop", [b"", b"no jpeg", None])
def test_a_crop_that_is_no_crop_is_an_error_in_words(tmp_path, crop):
    data = write_data(tmp_path / "data", {"train": [("a", 0)]})
    if crop is None:
        crop = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    shard = records.shard_paths(data, "train")[0]
    _write_with_crop(shard, crop)
    with pytest.raises(DataError, match="no JPEG of 16 x 16"), dataset.plain_errors():
        list(dataset.for_evaluation(list_clips(data, ["train"]), batch_size=2))


def _write_with_crop(shard, crop):
    from deepfake_tf.protos import wire_pb2
    from deepfake_tf.schema import KEY_CROP

    example = wire_pb2.SequenceExample.FromString(next(records.read_shard(shard)))
    example.feature_lists.feature_list[KEY_CROP].feature[0].bytes_list.value[0] = crop
    records.write_shard(shard, [example.SerializeToString(deterministic=True)])


def test_other_errors_of_tensorflow_are_left_as_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError), dataset.plain_errors():
        tf.reshape(tf.zeros([3]), [2])
