"""The demo: what it refuses, what it prints, and the whole of it on a small set."""

import argparse
import io
import json
import subprocess
import sys

import pytest
from rich.console import Console

from deepfake_tf import synthetic
from deepfake_tf.errors import DataError
from deepfake_tf.manifest import VideoEntry, read_manifest, read_table
from deepfake_tf.stages import Stages
from pipelines import demo


def entry(number, label, split, **more):
    return VideoEntry(f"v{number}", f"/v{number}.mp4", label, split=split, group=f"g{number}", **more)


@pytest.fixture
def one(tmp_path):
    """A demo that has not begun, and what it prints."""
    console = Console(file=io.StringIO(), width=200)
    return demo._Demo(argparse.Namespace(out=tmp_path), Stages(console)), console.file


def error_of(capsys, *words):
    assert demo.main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_path_that_is_not_there(capsys, tmp_path):
    out = ("--out", tmp_path / "out")
    assert "There is no" in error_of(capsys, *out, "--videos", tmp_path / "nothing")
    assert "There is no" in error_of(capsys, *out, "--manifest", tmp_path / "nothing.csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group-regex", "(a)"], "--group-regex belongs to --videos"),
        (["--where", "a=b"], "--where belongs to --manifest"),
        (["--epochs", "0"], "--epochs must be 1 or more"),
        (["--seed", "-1"], "--seed 0 or more"),
    ],
)
def test_flags_that_make_no_sense(capsys, words, message):
    assert message in error_of(capsys, *words)


def test_two_sources_at_once_are_refused(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        demo.main(["--videos", str(tmp_path), "--manifest", str(tmp_path)])
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_folder_without_videos(capsys, tmp_path):
    (tmp_path / "own").mkdir()
    assert "neither a folder real/ nor fake/" in last_line(capsys, tmp_path, "--videos", tmp_path / "own")


def test_videos_of_one_class(capsys, tmp_path):
    for number in range(4):
        path = tmp_path / f"own/real/{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]))
    assert "needs both classes" in last_line(capsys, tmp_path, "--videos", tmp_path / "own")


def last_line(capsys, tmp_path, *words):
    """The error at the end of a demo that began."""
    code = (
        f"from pipelines import demo; raise SystemExit(demo.main({[*map(str, words), '--out', str(tmp_path / 'out')]}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_too_few_groups_are_said_before_the_work(one):
    made, _ = one
    entries = [entry(0, 0, "train"), entry(1, 1, "train"), entry(2, 0, "val"), entry(3, 1, "test")]
    with pytest.raises(DataError, match=r"split 'val' has no fake video.*4 videos in 4 groups"):
        made.describe(entries)


def test_held_out_videos_of_one_class_are_enough(one):
    made, printed = one
    entries = [entry(number, number % 2, split) for number, split in enumerate(["train"] * 2 + ["val"] * 2)]
    with pytest.raises(DataError, match="'test' has no real"):
        made.describe(entries)
    made.describe([*entries, entry(9, 1, "test")])
    assert "Identities are unknown" in printed.getvalue()


SMALL_AND_AGAIN = """
import sys
from pathlib import Path
from deepfake_tf.schema import ClipSpec
from pipelines import demo

demo.NUM_REAL = demo.NUM_FAKE = 12
demo.SPEC = ClipSpec(num_frames=2, clips_per_video=2, crop_size_px=64, margin=0.1)
demo.TRIAL_EPOCHS = 1

def times_made():
    kept = (".mp4", ".tfrecord", ".keras", ".pb")
    return {path: path.stat().st_mtime_ns for path in Path(sys.argv[1]).rglob("*") if path.suffix in kept}

command = ["--out", sys.argv[1], "--epochs", "1"]
assert demo.main(command) == 0
made = times_made()
assert demo.main(command) == 0
assert times_made() == made
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_path_on_a_small_set_and_again(tmp_path):
    """As the command does, with fewer videos and epochs; the second time finds everything but the servers finished."""
    out = tmp_path / "demo"
    done = subprocess.run([sys.executable, "-c", SMALL_AND_AGAIN, str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    held_out = [row for row in read_manifest(out / "manifest.csv") if row.split == "test"]
    verdicts = json.loads((out / "verdicts.json").read_text())
    assert sorted(one["video_id"] for one in verdicts) == sorted(row.video_id for row in held_out)
    scores = {row["video_id"]: float(row["score"]) for row in read_table(out / "report/video_scores.csv")}
    for one in verdicts:
        assert one["verdict"]["score"] == pytest.approx(scores[one["video_id"]], abs=1e-5)
    assert all(one["holds"] for one in json.loads((out / "report/chance.json").read_text()).values())
    assert {row["head"] for row in read_table(out / "tuning/trials.csv")} == {"lstm", "mean"}
    for name in ("report/report.html", "servables/detector/1/saved_model.pb", "tuning/trials.csv", "logs/gateway.log"):
        assert (out / name).is_file()
    assert not (out / "servables/detector/2").exists()


@pytest.mark.slow
def test_a_demo_that_is_told_to_stop_keeps_what_it_has(tmp_path):
    """That its servers are stopped too is held by tests/serving/test_local.py."""
    import signal
    import time

    out = tmp_path / "demo"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.demo", "--out", str(out)], stderr=subprocess.PIPE, text=True
    )
    while not list(out.glob("videos/real/*.mp4")):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    num_made = len(list(out.glob("videos/*/*.mp4")))
    assert num_made < 2 * demo.NUM_REAL
    assert not (out / "videos" / synthetic.GROUPS_FILE).exists()
