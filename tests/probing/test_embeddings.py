"""Embeddings against the backbone itself, and what is worked out again and what is not."""

import numpy as np
import pytest

from deepfake_tf.batching import dataset
from deepfake_tf.batching.clip_table import list_clips
from deepfake_tf.errors import DataError
from deepfake_tf.probing import embeddings
from deepfake_tf.probing.embeddings import Embedder, Source
from tests.clips_of_squares import SPEC, both_classes, write_data

SETTINGS = {"channels": [4, 8]}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp("squares"), {"train": both_classes("t", 3)})
    return Source(list_clips(data, ["train"]), "train", "print")


def embedder(tmp_path, *, seed=0):
    return Embedder("small_cnn", SPEC, SETTINGS, cache_dir=tmp_path, seed=seed, batch_size=5)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD_CLIPS", 5)


@pytest.mark.usefixtures("small_shards")
def test_an_embedding_is_the_mean_over_the_frames_that_are_there(source, tmp_path):
    one = embedder(tmp_path)
    found = one.embed(source)
    batch = next(dataset.for_evaluation(source.clips, batch_size=12).as_numpy_iterator())
    assert found.shape == (12, 8)
    assert found.dtype == np.float32
    for row in range(12):
        frames = batch["clips"][row][batch["mask"][row]].astype(np.float32)
        np.testing.assert_allclose(found[row], np.mean(one.backbone(frames, training=False), axis=0), atol=1e-5)
    assert not batch["mask"].all()
    assert not any(layer.trainable_weights for layer in one.backbone.layers)


@pytest.mark.usefixtures("small_shards")
def test_work_goes_on_where_it_stopped(source, tmp_path, monkeypatch):
    first = embedder(tmp_path).embed(source)
    shards = sorted(tmp_path.glob("*/train-*.npz"))
    assert [path.name for path in shards] == [f"train-0000{number}-of-00003.npz" for number in range(3)]
    shards[1].unlink()
    shards[2].write_bytes(shards[2].read_bytes()[:100])
    seen = []
    compute = Embedder._compute
    monkeypatch.setattr(
        Embedder, "_compute", lambda self, clips, *rest: seen.append(clips) or compute(self, clips, *rest)
    )
    told = []
    again = embedder(tmp_path).embed(source, on_progress=lambda *at: told.append(at))
    np.testing.assert_array_equal(again, first)
    assert [clips.example_ids for clips in seen] == [source.clips.example_ids[5:10], source.clips.example_ids[10:]]
    assert told[0] == (5, 12)
    assert told[-1] == (12, 12)
    assert sorted(told) == told


def test_other_weights_clips_and_transforms_are_kept_apart(source, tmp_path):
    plain = embedder(tmp_path).embed(source)
    noisy = embedder(tmp_path).embed(source, transform="sensor_noise")
    again = embedder(tmp_path).embed(source, transform="sensor_noise")
    other = embedder(tmp_path, seed=1).embed(source)
    np.testing.assert_array_equal(noisy, again)
    for one in (noisy, other):
        assert np.abs(one - plain).max() > 1e-4
    assert len(list(tmp_path.iterdir())) == 3
    # New clips under the same name and key are not taken for the old ones.
    fewer = Source(source.clips.select([2, 1]), "train", "print")
    np.testing.assert_allclose(embedder(tmp_path).embed(fewer), plain[[2, 1]], atol=1e-6)


def test_weights_that_give_no_numbers_are_an_error_in_words(source, tmp_path):
    one = embedder(tmp_path)
    offset = one.backbone.get_layer("norm_1").beta
    offset.assign(np.full(offset.shape, np.inf))
    with pytest.raises(DataError, match="no finite numbers"):
        one.embed(source)
    assert not list(tmp_path.glob("*/*.npz"))
