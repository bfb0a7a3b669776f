import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepfake_tf import extraction, records, runners
from deepfake_tf.data_folder import DataFolder, Failure, FinishedShard, ShardSettings, read_failures
from deepfake_tf.errors import AssetError, ConfigError, DataError, LeakError
from deepfake_tf.manifest import VideoEntry, read_manifest
from deepfake_tf.records import ShardInfo
from deepfake_tf.runners import RunSettings, Standing, extract_manifest
from deepfake_tf.schema import NO_LABEL, ClipSpec, Outcome
from tests.runners import extraction_stand_in
from tests.runners.extraction_stand_in import SPEC, make_videos

ROOT = Path(__file__).parent.parent.parent
SETTINGS = ShardSettings(SPEC, videos_per_shard=3)
WORDS = {f"v{number:02d}": "OK" for number in range(12)} | {
    "v03": "NO_FACE",
    "v07": "UNREADABLE",
    "u1": "OK",
    "u2": "OK",
}


@pytest.fixture
def entries(tmp_path, monkeypatch):
    for name in ("extract_bounded", "warm_up"):
        monkeypatch.setattr(extraction, name, getattr(extraction_stand_in, name))
    return make_videos(tmp_path / "videos", WORDS)


def extract(entries, data_dir, settings=SETTINGS, **run):
    return extract_manifest(entries, data_dir, settings, run=RunSettings(**{"runner": "serial"} | run))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_holds_what_the_contract_says(entries, tmp_path):
    extracted = extract(entries, tmp_path / "data")
    # 10 labelled videos by split: numbers 0, 3, 6, 9 are for validation.
    assert sorted(contents(tmp_path / "data")) == [
        "failures.csv",
        "index.json",
        "manifest.csv",
        "none-00000-of-00001.tfrecord",
        "spec.json",
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "val-00000-of-00002.tfrecord",
        "val-00001-of-00002.tfrecord",
    ]
    assert extracted.index == records.read_index(tmp_path / "data")
    assert {split: extracted.index.num_clips(split) for split in ("train", "val", "none")} == {
        "train": 2 * 7, "val": 2 * 3, "none": 2 * 2,
    }  # fmt: skip


def test_every_video_is_in_one_shard_or_in_failures(entries, tmp_path):
    data_dir = tmp_path / "data"
    extract(entries, data_dir)
    expected = {entry.video_id: entry for entry in entries}
    found = []
    for split in ("train", "val", "none"):
        for path in records.shard_paths(data_dir, split):
            for record in map(records.decode_clip, records.read_shard(path)):
                entry = expected[record.video_id]
                assert (entry.split or "none") == split
                assert record.label == (NO_LABEL if entry.label is None else entry.label)
                found.append(record.video_id)
    failures = read_failures(data_dir)
    assert failures == [
        Failure("set/v03", str(tmp_path / "videos" / "v03.mp4"), Outcome.NO_FACE, "it is NO_FACE"),
        Failure("set/v07", str(tmp_path / "videos" / "v07.mp4"), Outcome.UNREADABLE, "it is UNREADABLE"),
    ]
    assert sorted(found) == sorted(2 * list(set(expected) - {"set/v03", "set/v07"}))


def test_index_tells_size_and_checksum_of_every_shard(entries, tmp_path):
    index = extract(entries, tmp_path / "data").index
    for shard in itertools.chain(*index.shards.values()):
        data = (tmp_path / "data" / shard.name).read_bytes()
        assert (shard.num_bytes, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert shard.num_clips == len(list(records.read_shard(tmp_path / "data" / shard.name)))
    assert sum(shard.num_videos for shard in itertools.chain(*index.shards.values())) == len(entries)
    assert index.num_failed == 2


@pytest.mark.parametrize("runner", ["serial", "processes"])
def test_runners_and_orders_of_rows_give_the_same_bytes(entries, tmp_path, runner):
    extract(entries, tmp_path / "a")
    shuffled = random.Random(1).sample(entries, len(entries))
    extract(shuffled, tmp_path / "b", runner=runner, num_workers=3)
    one, other = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert {name: data for name, data in other.items() if name != "manifest.csv"} == {
        name: data for name, data in one.items() if name != "manifest.csv"
    }


def test_finished_folder_is_found_finished(entries, tmp_path, monkeypatch):
    before = extract(entries, tmp_path / "data")
    monkeypatch.setattr(extraction, "extract_bounded", None)
    again = extract(entries, tmp_path / "data")
    assert again.was_finished
    assert not before.was_finished
    assert (again.index, sorted(again.failures, key=str)) == (before.index, sorted(before.failures, key=str))


def stop_after(num_videos: int):
    """Extraction that fails at a later video, as one that is interrupted."""
    calls = itertools.count()

    def extract_or_stop(*args, **options):
        if next(calls) == num_videos:
            raise KeyboardInterrupt
        return extraction_stand_in.extract_bounded(*args, **options)

    return extract_or_stop


@pytest.mark.parametrize("num_videos", [0, 1, 4, 9, 13])
def test_interrupted_run_goes_on_and_ends_with_the_same_bytes(entries, tmp_path, monkeypatch, num_videos):
    extract(entries, tmp_path / "whole")
    monkeypatch.setattr(extraction, "extract_bounded", stop_after(num_videos))
    with pytest.raises(KeyboardInterrupt):
        extract(entries, tmp_path / "data")
    with pytest.raises(DataError, match="no finished extraction"):
        records.read_index(tmp_path / "data")
    monkeypatch.setattr(extraction, "extract_bounded", extraction_stand_in.extract_bounded)
    standings: list[Standing] = []
    extract_manifest(
        entries, tmp_path / "data", SETTINGS, run=RunSettings(runner="serial"), on_progress=standings.append
    )
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")
    # Whole shards are kept, and told as found; the rest is done again.
    assert standings[0].num_done == 0
    assert standings[-1].num_found + standings[-1].num_done == len(entries) == standings[-1].num_videos
    assert (standings[0].num_found > 0) == (num_videos >= 3)
    assert (standings[-1].num_clips, standings[-1].num_failed) == (24, 2)


def test_damaged_shard_of_an_unfinished_run_is_made_again(entries, tmp_path, monkeypatch):
    extract(entries, tmp_path / "whole")
    monkeypatch.setattr(extraction, "extract_bounded", stop_after(9))
    with pytest.raises(KeyboardInterrupt):
        extract(entries, tmp_path / "data")
    monkeypatch.setattr(extraction, "extract_bounded", extraction_stand_in.extract_bounded)
    shards = sorted((tmp_path / "data").glob("*.tfrecord"))
    shards[0].write_bytes(b"x" + shards[0].read_bytes()[1:])
    (tmp_path / "data" / ".finished" / f"{shards[1].name}.json").write_text("{")
    extract(entries, tmp_path / "data")
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_shard_missing_from_a_finished_folder_is_told(entries, tmp_path):
    extract(entries, tmp_path / "data")
    (tmp_path / "data" / "val-00001-of-00002.tfrecord").unlink()
    with pytest.raises(DataError, match=r"val-00001-of-00002.tfrecord is missing .* delete this one"):
        extract(entries, tmp_path / "data")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ShardSettings(ClipSpec(num_frames=2, clips_per_video=2, margin=0.4), 3), r"margin 0.3 -> 0.4. Name another"),
        (ShardSettings(SPEC, 4), r"videos_per_shard 3 -> 4"),
    ],
)
def test_changed_settings_are_refused_with_the_way_out(entries, tmp_path, settings, message):
    extract(entries, tmp_path / "data")
    with pytest.raises(ConfigError, match=f"made with other settings: {message}"):
        extract(entries, tmp_path / "data", settings)


@pytest.mark.parametrize("changed", [{"label": 1}, {"split": "test"}, {"sha256": "aa"}, {"attributes": {"x": "y"}}])
def test_changed_manifest_is_refused_with_the_way_out(entries, tmp_path, changed):
    extract(entries, tmp_path / "data")
    other = [dataclasses.replace(entries[0], **changed), *entries[1:]]
    with pytest.raises(ConfigError, match=r"another manifest: 1 videos differ, first 'set/v00'. Name another folder"):
        extract(other, tmp_path / "data")
    with pytest.raises(ConfigError, match="1 videos differ"):
        extract(entries[1:], tmp_path / "data")


def test_moved_videos_of_equal_content_are_the_same_manifest(entries, tmp_path):
    entries = [dataclasses.replace(entry, sha256=entry.video_id) for entry in entries]
    extract(entries, tmp_path / "data")
    (tmp_path / "videos").rename(tmp_path / "moved")
    moved = [dataclasses.replace(entry, path=tmp_path / "moved" / entry.path.name) for entry in entries]
    assert extract(moved, tmp_path / "data").was_finished
    # Who reads the videos again finds them.
    assert all(one.path.is_file() for one in read_manifest(tmp_path / "data" / "manifest.csv"))


def test_folder_of_other_files_is_refused(entries, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.doc").write_text("x")
    with pytest.raises(ConfigError, match=r"holds other files \(thesis.doc\)"):
        extract(entries, tmp_path / "data")


def test_shard_that_was_made_out_of_sight_is_told(tmp_path):
    with DataFolder(tmp_path) as folder, pytest.raises(DataError, match="on storage that all share"):
        folder.finish_shard(FinishedShard(ShardInfo("train-00000-of-00001.tfrecord", 1, 1, 1, ""), ()))


def test_nothing_stays_of_what_a_lost_machine_was_writing(entries, tmp_path):
    def leave_half(standing):
        (tmp_path / "data" / ".train-00000-of-00003.tfrecord.abc.partial").write_bytes(b"half")

    extract_manifest(entries, tmp_path / "data", SETTINGS, run=RunSettings(runner="serial"), on_progress=leave_half)
    assert not [name for name in contents(tmp_path / "data") if "partial" in name]


def test_two_extractions_do_not_fill_one_folder(entries, tmp_path):
    (tmp_path / "data").mkdir()
    descriptor = os.open(tmp_path / "data", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="Another extraction is filling"):
        extract(entries, tmp_path / "data")
    os.close(descriptor)
    extract(entries, tmp_path / "data")


def test_missing_files_are_told_before_any_work(entries, tmp_path):
    entries[4].path.unlink()
    with pytest.raises(DataError, match=r"1 of 14 files of the manifest are not there, the first is .*v04.mp4"):
        extract(entries, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_leak_is_refused_unless_accepted(entries, tmp_path):
    leaking = [dataclasses.replace(entry, group="one") for entry in entries]
    with pytest.raises(LeakError, match="Two splits .* group 'one'"):
        extract(leaking, tmp_path / "data", accept_official_leak=True)
    official = [
        dataclasses.replace(entry, dataset="set", attributes={"official_split": entry.split}) for entry in leaking
    ]
    with pytest.raises(LeakError, match="own splits .* group 'one'"):
        extract(official, tmp_path / "data")
    extract(official, tmp_path / "data", accept_official_leak=True)


def test_too_many_failures_fail_and_can_be_accepted(entries, tmp_path):
    with pytest.raises(DataError, match=r"2 of 14 videos gave no clips, more than the share of 0.1 .*failures.csv"):
        extract(entries, tmp_path / "data", max_failed_share=0.1)
    assert len(read_failures(tmp_path / "data")) == 2
    assert not (tmp_path / "data" / "index.json").exists()
    assert extract(entries, tmp_path / "data", max_failed_share=1).index.num_failed == 2


def test_missing_weights_end_the_run(entries, tmp_path):
    entries[5].path.write_text("NO_WEIGHTS")
    for runner in ("serial", "processes"):
        with pytest.raises(AssetError, match="weights"):
            extract(entries, tmp_path / "data", runner=runner, num_workers=2)


def test_empty_manifest(tmp_path):
    with pytest.raises(DataError, match="no videos"):
        extract([], tmp_path / "data")


@pytest.mark.parametrize(
    "settings",
    [{"runner": "nowhere"}, {"num_workers": 0}, {"max_failed_share": 1.5}, {"runner": "serial", "address": "a:1"}],
)
def test_wrong_run_settings(settings):
    with pytest.raises(ConfigError):
        RunSettings(**settings)


def test_plan_is_balanced_and_its_order_looks_random():
    entries = [VideoEntry(f"set/{n:03d}", Path(f"/{n}"), n % 2, split="train") for n in range(100)]
    tasks = runners.plan_shards(entries, 16)
    assert [len(task.entries) for task in tasks] == [15, 15, 14, 14, 14, 14, 14]
    assert tasks[3].name == "train-00003-of-00007.tfrecord"
    order = [entry.video_id for task in tasks for entry in task.entries]
    assert order != sorted(order)
    assert sorted(order) == sorted(entry.video_id for entry in entries)


KILLED = """
import sys
from pathlib import Path
from tests.runners import extraction_stand_in
sys.modules["deepfake_tf.extraction"] = extraction_stand_in
from deepfake_tf.data_folder import ShardSettings
from deepfake_tf.manifest import VideoEntry
from deepfake_tf.runners import RunSettings, extract_manifest
words = {f"v{number:02d}": "OK 0.02" for number in range(30)} | {"v03": "NO_FACE 0.02"}
videos = Path(sys.argv[1])
entries = extraction_stand_in.make_videos(videos, words)
print("begins", flush=True)
settings = ShardSettings(extraction_stand_in.SPEC, videos_per_shard=3)
extract_manifest(entries, sys.argv[2], settings, run=RunSettings(runner=sys.argv[3], num_workers=2))
"""


def start(tmp_path, name, runner):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "videos"), str(tmp_path / name), runner]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["serial", "processes"])
def test_killed_runs_end_with_the_same_bytes(tmp_path, runner):
    with start(tmp_path, "whole", "serial") as process:
        assert process.wait() == 0
    rng = random.Random(3)
    num_killed = 0
    for _ in range(40):
        with start(tmp_path, "data", runner) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
        if process.returncode == 0:
            break
        num_killed += 1
    with start(tmp_path, "data", runner) as process:
        assert process.wait() == 0
    assert num_killed >= 3
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_a_fakes_task_names_its_original_wherever_that_lies():
    real = VideoEntry("real", Path("real.mp4"), label=0, split="train")
    fakes = [VideoEntry(f"fake{n}", Path("f.mp4"), label=1, split="train", original_id="real") for n in range(3)]
    lone = VideoEntry("lone", Path("l.mp4"), label=1, split="train", original_id="not there")
    tasks = runners.plan_shards([real, *fakes, lone], 2, faces_from_originals=True)
    named = {name: path for task in tasks for name, path in task.originals.items()}
    assert named == {fake.video_id: real.path for fake in fakes}
    assert all(set(task.originals) <= {entry.video_id for entry in task.entries} for task in tasks)
    assert not any(task.originals for task in runners.plan_shards([real, *fakes, lone], 2))


def test_faces_from_originals_is_a_setting_that_is_noticed(tmp_path):
    settings = dataclasses.replace(SETTINGS, faces_from_originals=True)
    with DataFolder(tmp_path / "data") as folder:
        folder.claim([VideoEntry("a", tmp_path / "a.mp4")], SETTINGS)
        with pytest.raises(ConfigError, match="faces_from_originals False -> True"):
            folder.claim([VideoEntry("a", tmp_path / "a.mp4")], settings)


def test_folder_that_is_older_than_the_setting_goes_on(tmp_path):
    entries = [VideoEntry("a", tmp_path / "a.mp4")]
    with DataFolder(tmp_path / "data") as folder:
        folder.claim(entries, SETTINGS)
        path = tmp_path / "data" / "spec.json"
        old = json.loads(path.read_text())
        del old["faces_from_originals"]
        path.write_text(json.dumps(old))
        folder.claim(entries, SETTINGS)
