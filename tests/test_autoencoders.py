import numpy as np
import pytest

from deepfake_tf import autoencoders
from deepfake_tf.autoencoders import CODE_CHANNELS, FACE_SIZE_PX, Autoencoders
from deepfake_tf.errors import ConfigError, DataError

SHAPE = (FACE_SIZE_PX, FACE_SIZE_PX, 3)


@pytest.fixture(scope="module")
def faces():
    """Colours that change slowly."""
    random, ramp = np.random.default_rng(0), np.linspace(0, 1, FACE_SIZE_PX)
    across, down = random.random((2, 24, 1, 1, 3))
    drawn = 255 * (across * ramp[:, None] + down * ramp[:, None, None]) / 2
    return np.asarray(drawn, np.uint8)


@pytest.mark.parametrize("decoder", CODE_CHANNELS)
def test_each_decoder_draws_faces_out_of_fewer_numbers(decoder):
    network = autoencoders.build(decoder)
    assert network.input_shape == network.output_shape == (None, *SHAPE)
    assert np.prod(network.get_layer("code").output.shape[1:]) < np.prod(SHAPE) / 5


def test_rearranged_channels_are_neighbours():
    """What TensorFlow calls depth to space."""
    import tensorflow as tf

    channels = tf.random.stateless_uniform((1, 4, 4, 12), seed=(0, 0))
    expected = tf.nn.depth_to_space(channels, 2)
    np.testing.assert_array_equal(autoencoders.rearrange(channels, 3), expected)


def test_one_that_was_stopped_goes_on(faces, tmp_path, monkeypatch):
    begun = []

    def begin(decoder, faces, folder, epochs, seed):
        begun.append(decoder)
        if len(begun) == 2:
            raise KeyboardInterrupt
        for name in Autoencoders.names:
            if name.startswith(decoder):
                (folder / f"{name}.keras").touch()
        yield epochs

    monkeypatch.setattr(autoencoders, "_learn_one", begin)
    with pytest.raises(KeyboardInterrupt):
        autoencoders.learn(faces, tmp_path, epochs=2)
    with pytest.raises(ConfigError, match="lacks some of the autoencoders"):
        Autoencoders(tmp_path)
    autoencoders.learn(faces, tmp_path, epochs=2)
    first, second, third = CODE_CHANNELS
    assert begun == [first, second, second, third]


def test_too_little_is_said_before_any_work(faces, tmp_path):
    with pytest.raises(DataError, match="2 faces or more"):
        autoencoders.learn(faces[:1], tmp_path / "few", epochs=4)
    with pytest.raises(ConfigError, match="epochs must be 2 or more"):
        autoencoders.learn(faces, tmp_path / "short", epochs=1)
    assert not list(tmp_path.iterdir())


def test_unlikeness_is_the_error_and_what_structural_similarity_lacks():
    one, other = (np.full((1, *SHAPE), value, np.float32) for value in (0.25, 0.75))
    assert float(autoencoders.unlikeness(one, one)) == pytest.approx(0, abs=1e-6)
    # Of flat pictures only the light differs.
    likeness = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert float(autoencoders.unlikeness(one, other)) == pytest.approx(0.5 + 0.5 * (1 - likeness), abs=1e-4)


@pytest.fixture(scope="module")
def one_decoder():
    """All of them take long to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoders, "CODE_CHANNELS", {"rearranged": 8})
        patch.setattr(Autoencoders, "names", ("rearranged-0", "rearranged-1"))
        yield


@pytest.fixture(scope="module")
def folder(one_decoder, tmp_path_factory, faces):
    folder, told = tmp_path_factory.mktemp("work") / "autoencoders", []
    autoencoders.learn(faces, folder, epochs=4, on_progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 4) for done in range(1, 5)]
    return folder


def test_it_learns_to_draw_faces(folder, faces):
    learned = Autoencoders(folder)
    before = np.asarray(autoencoders.build("rearranged")(faces / np.float32(255))) * 255
    early, late = (learned.draw(name, faces) for name in learned.names)
    assert (late.dtype, late.shape) == (np.uint8, faces.shape)
    off = [np.abs(drawn.astype(float) - faces).mean() for drawn in (before, early, late)]
    assert off[0] > off[1] > off[2]


def test_what_has_learned_is_left_as_it_is(folder, faces, monkeypatch):
    monkeypatch.setattr(autoencoders, "_learn_one", None)
    autoencoders.learn(faces, folder, epochs=4)
    with pytest.raises(ConfigError, match="from other faces or by other settings"):
        autoencoders.learn(faces[1:], folder, epochs=4)
    with pytest.raises(ConfigError, match="from other faces or by other settings"):
        autoencoders.learn(faces, folder, epochs=5)
