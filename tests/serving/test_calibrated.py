"""A calibrated run: what its report says of a video is what a client is told of it, over model server and gateway."""

import csv
import json

import numpy as np
import pytest

from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.export import export_servable
from deepfake_tf.judging import decision
from deepfake_tf.judging.decision import Decision
from deepfake_tf.learning import settings
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.reporting.evaluation import evaluate
from deepfake_tf.runners import RunSettings, extract_manifest
from deepfake_tf.schema import Calibration, ClipSpec
from serving.client import Client
from tests import servables
from tests.serving import videos
from tests.serving.test_end_to_end import running_gateway

pytestmark = pytest.mark.slow

SPEC = ClipSpec(num_frames=3, clips_per_video=5, crop_size_px=32)
CHOSEN = Decision("trimmed_mean", Calibration(0.4, -0.15), threshold=0.45, band=0.03)


def save_run(folder):
    """A finished run with new weights, calibrated."""
    folder.mkdir()
    servables.tiny_model().save(folder / "model.keras")
    told = settings.TrainSettings(
        backbone="small_cnn",
        head="lstm",
        backbone_settings=servables.plugin_settings("backbones", "small_cnn"),
        head_settings=servables.plugin_settings("heads", "lstm"),
    )
    run = {
        "format_version": settings.RUN_VERSION,
        "settings": told.to_json(),
        "environment": {},
        "data": {"path": "clips", "clip_spec": SPEC.to_json(), "fingerprint": "0123"},
        "result": {},
    }
    (folder / "run.json").write_text(json.dumps(run))
    decision.write(folder, run, CHOSEN, {"goal": "a test"})
    return folder


def test_the_served_answer_is_the_reports(start_model_server, tmp_path):
    run_dir = save_run(tmp_path / "run")
    entries = [
        VideoEntry(
            video_id=f"v{number}",
            path=videos.face_video(tmp_path / f"v{number}.mp4", num_frames=24 + 6 * number),
            label=number % 2,
            group=f"g{number}",
            split="test",
        )
        for number in range(3)
    ]
    extract_manifest(entries, tmp_path / "data", ShardSettings(SPEC), run=RunSettings("serial"))
    report = evaluate(run_dir, tmp_path / "data", "test", tmp_path / "report")
    assert report["decision"]["joining"] == "trimmed_mean"
    with (tmp_path / "report" / "video_scores.csv").open() as file:
        reported = {row["video_id"]: row for row in csv.DictReader(file)}
    export_servable(run_dir, tmp_path / "detector")
    server = start_model_server(tmp_path / "detector")
    with running_gateway(server.target, "--workers", "1") as (_, target), Client(target) as client:
        served = {entry.video_id: client.analyze(entry.path) for entry in entries}
    for video_id, verdict in served.items():
        logit = (np.log(verdict.score / (1 - verdict.score)) - CHOSEN.calibration.offset) / CHOSEN.calibration.scale
        assert logit == pytest.approx(float(reported[video_id]["logit"]), abs=1e-5)
        assert verdict.verdict == reported[video_id]["verdict"]
        assert (verdict.threshold, verdict.band) == (CHOSEN.threshold, CHOSEN.band)
    # The rule counts: the trimmed mean of five clips leaves out two.
    assert len({row["num_clips"] for row in reported.values()} & {"5"}) == 1
