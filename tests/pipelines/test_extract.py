import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepfake_tf import extraction, records
from deepfake_tf.extraction import extract
from deepfake_tf.manifest import VideoEntry, read_manifest, write_manifest
from deepfake_tf.schema import ClipSpec
from pipelines import extract as stage
from tests.runners import extraction_stand_in

ROOT = Path(__file__).parent.parent.parent
FLAGS = ("--num-frames", "2", "--clips-per-video", "2", "--videos-per-shard", "2", "--num-workers", "2")


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    for name in ("extract_bounded", "warm_up"):
        monkeypatch.setattr(extraction, name, getattr(extraction_stand_in, name))
    words = {"a": "OK", "b": "OK", "c": "NO_FACE", "d": "OK", "e": "TIMEOUT", "f": "OK", "g": "OK"}
    write_manifest(extraction_stand_in.make_videos(tmp_path / "videos", words), tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def test_shards_summary_and_finished_work(manifest, tmp_path, capsys):
    data_dir = tmp_path / "data"
    assert stage.main([str(manifest), "--out", str(data_dir), *FLAGS]) == 0
    told = capsys.readouterr().out
    assert "train: 4 clips of 4 videos in 2 shards" in told
    assert "val: 6 clips of 3 videos in 2 shards" in told
    assert "2 videos gave no clips (1 NO_FACE, 1 TIMEOUT)" in told
    assert f"The shards are in {data_dir}" in told
    assert records.read_index(data_dir).spec == ClipSpec(num_frames=2, clips_per_video=2)
    assert stage.main([str(manifest), "--out", str(data_dir), *FLAGS, "--runner", "serial"]) == 0
    assert "It was finished already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--margin", "0.4"], "made with other settings: margin 0.3 -> 0.4"),
        (["--margin", "40"], "margin must lie between"),
        (["--runner", "nowhere"], "invalid choice: 'nowhere'"),
        (["--num-frames", "few"], "invalid int value: 'few'"),
        (["--num-workers", "0"], "num_workers must be 1 or more"),
        (["--videos-per-shard", "0"], "videos_per_shard must be 1 or more"),
        (["--max-failed-share", "7"], "max_failed_share must lie between 0 and 1"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(manifest, tmp_path, capfd, flags, message):
    assert stage.main([str(manifest), "--out", str(tmp_path / "data"), *FLAGS]) == 0
    capfd.readouterr()
    try:
        code = stage.main([str(manifest), "--out", str(tmp_path / "data"), *FLAGS, *flags])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]


def test_missing_manifest(tmp_path, capsys):
    assert stage.main([str(tmp_path / "nothing.csv"), "--out", str(tmp_path / "data")]) == 2
    assert "There is no table" in capsys.readouterr().err


@pytest.fixture
def real_manifest(real_data, tmp_path):
    """Six short videos and three files that are none."""
    names = [
        *("videos/real/grid__bbaf2n.mpg", "videos/real/intel_asl__no.mkv", "videos/real/dfl__Tim_Chrys_1_L.mp4"),
        *("videos/fake/dfl__Tim_Chrys_1_R.mp4", "videos/fake/ghost__mark.webm", "awkward/derived/three_frames.mp4"),
        *("awkward/derived/text_named.mp4", "awkward/derived/audio_only.m4a.mp4", "awkward/derived/jpeg_named.mp4"),
    ]
    entries = [
        VideoEntry(name, real_data / name, number % 2, split="train", group=str(number))
        for number, name in enumerate(names)
    ]
    entries[-1] = replace(entries[-1], label=None, split="")
    write_manifest(entries, tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_real_videos_whoever_runs_and_however_often_it_is_killed(real_manifest, tmp_path):
    flags = ("--videos-per-shard", "2", "--num-frames", "4")
    serial = [str(real_manifest), "--out", str(tmp_path / "serial"), *flags, "--runner", "serial"]
    assert stage.main(serial) == 0
    command = [sys.executable, "-m", "pipelines.extract", str(real_manifest), "--out", str(tmp_path / "killed"), *flags]
    for seconds in (2.0, 3.0, 4.0):
        with subprocess.Popen([*command, "--num-workers", "2"], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    subprocess.run([*command, "--num-workers", "2"], cwd=ROOT, check=True)
    assert contents(tmp_path / "serial") == contents(tmp_path / "killed")
    # What is in the shards is what `extract` gives for the file alone.
    spec = records.read_index(tmp_path / "serial").spec
    paths = {entry.video_id: entry.path for entry in read_manifest(real_manifest)}
    found = [
        records.decode_clip(data)
        for split in ("train", "none")
        for path in sorted((tmp_path / "serial").glob(f"{split}-*"))
        for data in records.read_shard(path)
    ]
    by_video = {
        record.video_id: [one.clip.crops for one in found if one.video_id == record.video_id] for record in found
    }
    assert len(by_video) >= 5
    for video_id, crops in list(by_video.items())[:2]:
        assert crops == [clip.crops for clip in extract(paths[video_id], spec).clips]
