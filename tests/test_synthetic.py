"""Synthetic videos: the same from the same seed, and nothing but the inner face tells real from fake."""

import csv
import shutil

import av
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_tf import synthetic
from deepfake_tf.errors import ConfigError
from deepfake_tf.extraction import extract
from deepfake_tf.schema import ClipSpec, Outcome
from deepfake_tf.synthetic import forgery, people, scenes


@pytest.fixture(scope="module")
def video_set(tmp_path_factory):
    """Two groups: 8 real videos and their 8 fakes."""
    return synthetic.make_videos(tmp_path_factory.mktemp("synthetic") / "set", num_real=8, num_fake=8, seed=5)


def all_videos(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.mp4"))


def decode(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def labels_of(paths):
    return [int(path.startswith("fake/")) for path in paths]


def test_as_many_of_each_class_as_asked(tmp_path):
    root = synthetic.make_videos(tmp_path / "set", num_real=1, num_fake=3, seed=1, num_workers=1)
    assert all_videos(root) == [
        "fake/blend/g000-p0-t0-blend1.mp4",
        "fake/swap/g000-p0-t0-swap.mp4",
        "fake/swap/g000-p0-t0-swap2.mp4",
        "real/g000-p0-t0.mp4",
    ]


def test_every_video_has_its_group_and_a_fake_that_of_its_original(video_set):
    with (video_set / "groups.csv").open(newline="") as file:
        group_of = {row["path"]: row["group"] for row in csv.DictReader(file)}
    paths = all_videos(video_set)
    assert sorted(group_of) == paths
    assert len(set(group_of.values())) == 2
    for path in paths:
        if path.startswith("fake/"):
            original = path.split("/")[-1].rsplit("-", 1)[0]
            assert group_of[path] == group_of[f"real/{original}.mp4"]


def test_the_people_of_a_group_are_its_own():
    drawn = [people.draw_person(synthetic._rng(5, group, 0, number)) for group in range(3) for number in range(2)]
    assert len(set(drawn)) == 6


def test_same_seed_gives_the_same_bytes_in_any_number_of_processes(video_set, tmp_path):
    """And a smaller set is the beginning of a larger one."""
    again = synthetic.make_videos(tmp_path / "again", num_real=2, num_fake=2, seed=5, num_workers=1)
    assert len(all_videos(again)) == 4
    for path in all_videos(again):
        assert (again / path).read_bytes() == (video_set / path).read_bytes()


def test_another_seed_gives_other_videos(video_set, tmp_path):
    other = synthetic.make_videos(tmp_path / "other", num_real=1, num_fake=1, seed=6, num_workers=1)
    assert (other / "real/g000-p0-t0.mp4").read_bytes() != (video_set / "real/g000-p0-t0.mp4").read_bytes()


def test_both_classes_have_the_same_form(video_set):
    forms = set()
    for path in all_videos(video_set):
        with av.open(str(video_set / path)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            forms.add((codec.name, codec.profile, codec.width, codec.height, codec.pix_fmt, stream.average_rate))
            assert stream.frames == scenes.NUM_FRAMES
    assert len(forms) == 1
    assert next(iter(forms))[0] == "h264"


def test_nothing_but_the_face_tells_the_classes_apart(video_set):
    paths = all_videos(video_set)
    labels, columns = labels_of(paths), []
    for path in paths:
        frames = decode(video_set / path).astype(np.float64)
        corners = [frames[:, :40, :40], frames[:, :40, -40:]]
        columns.append(
            [
                (video_set / path).stat().st_size,
                frames.mean(),
                frames.std(),
                np.abs(np.diff(frames, axis=0)).mean(),
                *(corner.mean() for corner in corners),
                *(corner.std() for corner in corners),
            ]
        )
    for column in np.array(columns).T:
        assert 0.35 < roc_auc_score(labels, column) < 0.65


@pytest.mark.parametrize("method", forgery.METHODS)
def test_a_fake_differs_from_its_original_in_the_inner_face_alone(method):
    rng = np.random.default_rng(3)
    target, source = (people.draw_still(people.draw_person(np.random.default_rng(seed))) for seed in (1, 2))
    scene = scenes.draw_scene(rng, scenes.draw_background(rng))
    grain = scenes.sensor_grain(scene)
    fake = forgery.draw_forgery(rng, method, source)
    for index in (0, 11):
        coordinates = scenes.person_coordinates(scene, target, index)
        real_person = scenes.sample_person(target, scene.poses[index], *coordinates)
        real = scenes.film(scene, real_person, np.zeros(real_person.shape[:2], np.float32), index, grain)
        forged = scenes.film(scene, *forgery.forge(scene, target, fake, index), index, grain)
        change = np.abs(forged.astype(int) - real).max(axis=-1)
        x, y = coordinates
        centre = target.landmarks_px[people.NOSE]
        # In pixels of the portrait the face is about 90 wide and 100 high; the lens blurs 4 pixels further.
        far = np.hypot(x - centre[0], y - centre[1] + 12) > 62
        assert not change[far].any()
        assert np.mean(change[~far] > 4) > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_follow_the_change_of_shape(seed):
    person = people.draw_person(np.random.default_rng(seed))
    moved = people._moved_landmarks(person.shape)
    back = np.stack(people._pull_all(person.shape, moved[:, 0], moved[:, 1]), axis=1)
    np.testing.assert_allclose(back, people._LANDMARKS, atol=0.1)
    assert np.abs(moved - people._LANDMARKS).max() > 0.5


def test_similarity_finds_a_turn_it_is_given():
    points = people._LANDMARKS.astype(np.float64)
    a, b, c, d = 1.1, 0.2, -5.0, 7.0
    to = np.stack([a * points[:, 0] - b * points[:, 1] + c, b * points[:, 0] + a * points[:, 1] + d], axis=1)
    np.testing.assert_allclose(forgery._similarity(points, to, 1.0), (a, b, c, d), atol=1e-9)


def test_an_interrupted_set_is_gone_on_with(video_set, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(video_set, root)
    lost = root / "real/g001-p0-t1.mp4"
    lost.unlink()
    (root / "groups.csv").unlink()
    kept = {path: (root / path).stat().st_mtime_ns for path in all_videos(root)}
    seen = []
    synthetic.make_videos(
        root, num_real=8, num_fake=8, seed=5, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(15, 16), (16, 16)]
    assert lost.read_bytes() == (video_set / "real/g001-p0-t1.mp4").read_bytes()
    assert kept.items() <= {path: (root / path).stat().st_mtime_ns for path in all_videos(root)}.items()
    assert (root / "groups.csv").read_bytes() == (video_set / "groups.csv").read_bytes()


def test_a_set_made_with_other_settings_is_refused(video_set):
    with pytest.raises(ConfigError, match="made with other settings"):
        synthetic.make_videos(video_set, num_real=8, num_fake=8, seed=6)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="a folder of their own"):
        synthetic.make_videos(tmp_path, num_real=1, num_fake=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("wrong", "name"), [({"num_real": 0}, "num_real"), ({"num_fake": -1}, "num_fake")])
def test_a_number_out_of_range_is_refused(tmp_path, wrong, name):
    with pytest.raises(ConfigError, match=name):
        synthetic.make_videos(tmp_path / "set", **({"num_real": 1, "num_fake": 1} | wrong))
    assert not (tmp_path / "set").exists()


def test_the_face_is_found_in_every_frame(video_set):
    spec = ClipSpec(num_frames=10, clips_per_video=3, crop_size_px=64)
    for path in all_videos(video_set)[::4]:
        found = extract(video_set / path, spec)
        assert found.outcome == Outcome.OK
        assert found.num_frames_sampled == scenes.NUM_FRAMES
        assert found.coverage >= 0.95
