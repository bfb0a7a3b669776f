"""Sweeps with a model whose answer is the mean grey level, so that what a degradation does to it is arithmetic."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.degrading import robustness
from deepfake_tf.degrading.degradations import CLEAN, DEGRADATIONS
from deepfake_tf.degrading.robustness import Sweep, measure, read_robustness
from deepfake_tf.errors import ConfigError, DataError
from deepfake_tf.manifest import VideoEntry, write_manifest
from deepfake_tf.runners import RunSettings, extract_manifest
from deepfake_tf.schema import INPUT_CLIPS, INPUT_MASK, ClipSpec
from tests.clips_of_squares import both_classes, write_data
from tests.numbered import write_video
from tests.portraits import scene


class MeanGrey:
    """Its logit is the mean over the pixels that are there, in grey levels from 110."""

    def predict_on_batch(self, batch):
        clips, mask = batch[INPUT_CLIPS].astype(float), batch[INPUT_MASK]
        return np.array([one[there].mean() - 110 for one, there in zip(clips, mask, strict=True)], np.float32)


@pytest.fixture(autouse=True)
def _known_model(monkeypatch):
    run = {"settings": {}, "result": {}, "data": {"clip_spec": {"num_frames": 2}}}
    monkeypatch.setattr(robustness, "load_run", lambda run_dir: (MeanGrey(), run))
    monkeypatch.setattr(robustness, "check_spec", lambda run, found, data_dir: None)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("squares") / "data", {"test": both_classes("x", 4)})


def picture(number, *, lighter):
    return np.minimum(scene([(200 + 3 * number, 100)]).astype(int) + lighter, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two videos of a face; the fake is brighter."""
    folder = tmp_path_factory.mktemp("faces")
    entries = []
    for number, label in enumerate((0, 1)):
        path = folder / f"{number}.mp4"
        draw = functools.partial(picture, lighter=25 * label)
        write_video(path, num_frames=6, draw=draw, options={"crf": "12"})
        entries.append(VideoEntry(f"v{number}", path, label=label, group=f"g{number}", split="test"))
    spec = ClipSpec(num_frames=2, clips_per_video=1, crop_size_px=32)
    extract_manifest(entries, folder / "data", ShardSettings(spec), run=RunSettings(runner="serial"))
    return folder / "data"


def test_each_cell_is_what_the_change_does_to_the_grey_level(squares, tmp_path):
    results = measure("run", squares, tmp_path, Sweep(names=("brightness",)))
    clean, lighter = (
        json.loads((tmp_path / "cells" / f"{name}.json").read_text()) for name in (CLEAN, "brightness_0.2")
    )
    assert set(clean) == {f"x{number}" for number in range(8)}
    for name, logit in clean.items():
        assert lighter[name] - logit == pytest.approx(0.2 * 255, abs=1)
    # Both classes stay apart, whatever the light.
    assert all(
        point["roc_auc"] == 1 and point["change"] == 0
        for curve in results["curves"]
        for point in curve["points"].values()
    )
    assert results["curves"][0]["labels"] == ["-0.4", "-0.2", CLEAN, "0.2", "0.4"]
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")
    assert read_robustness(tmp_path) == json.loads((tmp_path / "robustness.json").read_text()) == results


def test_videos_are_stored_and_extracted_again(faces, tmp_path, monkeypatch):
    few = {"h264": (18,), "frame_rate": (3,), "crop_shift": (0.3,)}
    own = tuple(replace(one, strengths=few[one.name]) for one in DEGRADATIONS if one.name in few)
    monkeypatch.setattr(robustness.degradations, "DEGRADATIONS", own)
    results = measure("run", faces, tmp_path, Sweep(num_workers=1))
    cells = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "cells").iterdir()}
    assert set(cells) == {CLEAN, "h264_18", "frame_rate_3", "crop_shift_0.3"}
    # At a high rate, and however many frames are left, a video looks as it did.
    for name in ("h264_18", "frame_rate_3"):
        assert cells[name] == pytest.approx(cells[CLEAN], abs=4)
    # Off centre there is more of the grey behind the head.
    assert min(abs(cells["crop_shift_0.3"][one] - cells[CLEAN][one]) for one in cells[CLEAN]) > 4
    assert results[CLEAN] | {"num_judged": 2, "roc_auc": 1.0, "change": 0.0} == results[CLEAN]


def test_what_was_measured_is_not_measured_again(squares, tmp_path, monkeypatch):
    measure("run", squares, tmp_path, Sweep(names=("jpeg",)))
    (tmp_path / "cells" / "jpeg_30.json").unlink()
    asked = []
    original = robustness.Cells._of_clips
    monkeypatch.setattr(
        robustness.Cells, "_of_clips", lambda self, ops, *rest: asked.append(ops) or original(self, ops, *rest)
    )
    measure("run", squares, tmp_path, Sweep(names=("jpeg",)))
    assert [ops[0].quality for ops in asked] == [(30, 30)]


def test_a_video_that_is_lost_is_counted(faces, tmp_path, monkeypatch):
    entries = robustness.read_manifest(Path(faces) / "manifest.csv")
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    swapped = [one if one.video_id != "v1" else replace(one, path=broken) for one in entries]
    monkeypatch.setattr(robustness, "read_manifest", lambda path: swapped)
    (curve,) = measure("run", faces, tmp_path / "out", Sweep(names=("frame_rate",), num_workers=1))["curves"]
    point = curve["points"]["2"]
    assert (point["num_judged"], point["roc_auc"], point["mean_score_fake"]) == (1, None, None)


def test_few_videos_are_of_both_classes(squares, tmp_path):
    results = measure("run", squares, tmp_path, Sweep(names=("jpeg",), max_videos=4))
    assert (results["num_real"], results["num_fake"]) == (2, 2)


def test_another_measurement_is_not_overwritten(squares, tmp_path):
    measure("run", squares, tmp_path, Sweep(names=("jpeg",)))
    with pytest.raises(ConfigError, match="another run, data, split, seed"):
        measure("run", squares, tmp_path, Sweep(names=("jpeg",), seed=1))


@pytest.mark.parametrize(
    ("settings", "says"), [({"names": ("rain",)}, "Unknown degradation 'rain'"), ({"max_videos": 1}, "2 or more")]
)
def test_a_sweep_that_makes_no_sense_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        Sweep(**settings)


def test_results_that_are_not_there_or_not_ours_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"pipelines\.robustness"):
        read_robustness(tmp_path)
    (tmp_path / "robustness.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        read_robustness(tmp_path)
    (tmp_path / "robustness.json").write_text('{"format_version": 0}')
    with pytest.raises(DataError, match="has version 0"):
        read_robustness(tmp_path)


def test_only_some_strengths_can_be_asked_for():
    chosen = Sweep(names=("jpeg", "h264"), strengths={"jpeg": (50,)}).chosen(ClipSpec())
    assert {one.name: len(one.strengths) for one in chosen} == {"jpeg": 1, "h264": 6}


def test_turned_crops_leave_out_what_cannot_be_done():
    names = [one.name for one in Sweep().chosen(ClipSpec(alignment="eyes"))]
    assert names == [one.name for one in DEGRADATIONS if one.name != "crop_shift"]


def test_a_manifest_is_extracted_as_the_run_wants_its_clips(tmp_path, monkeypatch):
    manifest = tmp_path / "manifest.csv"
    rows = [
        VideoEntry(f"v{split}", tmp_path / "v.mp4", label=0, group=split, split=split) for split in ("train", "test")
    ]
    write_manifest(rows, manifest)
    spec = ClipSpec(num_frames=5, crop_size_px=64)
    asked = []
    monkeypatch.setattr(robustness, "read_run", lambda run_dir: {"data": {"clip_spec": spec.to_json()}})
    monkeypatch.setattr(robustness, "extract_manifest", lambda *given, **options: asked.append(given))
    assert robustness.data_of("run", manifest, tmp_path / "out", Sweep()) == tmp_path / "out" / "clips"
    ((entries, folder, settings),) = asked
    assert [one.video_id for one in entries] == ["vtest"]
    assert (folder, settings.spec) == (tmp_path / "out" / "clips", spec)
    # A folder of shards is taken as it is.
    assert robustness.data_of("run", tmp_path, tmp_path / "out", Sweep()) == tmp_path
    with pytest.raises(DataError, match="no videos of the split 'val'"):
        robustness.data_of("run", manifest, tmp_path / "out", Sweep(split="val"))
