import pytest

from deepfake_tf.manifest import read_manifest
from pipelines import manifest as stage


@pytest.fixture
def root(tmp_path):
    for name in ("real/a.mp4", "real/b.mp4", "real/c.mp4", "fake/x/a.mp4", "fake/x/b.mp4", "fake/y/c.mp4"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "set"


def run(*argv) -> int:
    try:
        return stage.main([str(one) for one in argv])
    except SystemExit as end:
        return int(end.code or 0)


def test_folder_to_manifest(root, tmp_path, capsys):
    out = tmp_path / "manifest.csv"
    assert run("folder", root, "--out", out, "--group-regex", r"(\w)\.mp4", "--shares", "0.4,0.3,0.3") == 0
    entries = {entry.video_id: entry for entry in read_manifest(out)}
    assert len(entries) == 6
    for real, fake in (("a", "x/a"), ("b", "x/b"), ("c", "y/c")):
        assert entries[f"set/real/{real}.mp4"].split == entries[f"set/fake/{fake}.mp4"].split
    assert {entry.split for entry in entries.values()} == {"train", "val", "test"}
    told = capsys.readouterr().out
    assert "6 videos in 3 groups" in told
    assert str(out) in told
    assert "Identities are unknown" not in told


def test_unknown_identities_are_told(root, tmp_path, capsys):
    assert run("folder", root, "--out", tmp_path / "m.csv", "--dataset", "mine") == 0
    assert "Identities are unknown" in capsys.readouterr().out
    assert read_manifest(tmp_path / "m.csv")[0].dataset == "mine"


def test_two_data_sets_in_one_manifest(root, tmp_path, capsys):
    assert run("folder", root, "--out", tmp_path / "one.csv", "--group-regex", r"(\w)\.mp4") == 0
    other = tmp_path / "other"
    (other / "real").mkdir(parents=True)
    (other / "real" / "copy.mp4").write_text("real/a.mp4")
    facts = tmp_path / "facts.csv"
    facts.write_text("path,context\nreal/copy.mp4,political\n")
    flags = ("--add", tmp_path / "one.csv", "--attributes", facts, "--split-by", "group")
    capsys.readouterr()
    assert run("folder", other, "--out", tmp_path / "both.csv", *flags) == 0
    told = capsys.readouterr().out
    assert "7 videos in 3 groups" in told
    assert "1 videos have the same content as another" in told
    entries = {entry.video_id: entry for entry in read_manifest(tmp_path / "both.csv")}
    assert entries["other/real/copy.mp4"].split == entries["set/real/a.mp4"].split
    assert entries["other/real/copy.mp4"].attributes["context"] == "political"
    assert entries["set/fake/x/a.mp4"].path == root / "fake" / "x" / "a.mp4"


def test_a_data_set_that_is_one_group_is_told_to_be_a_test_set(tmp_path, capsys):
    for n in range(20):
        path = tmp_path / "set" / ("fake" if n % 2 else "real") / f"same_{n}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(n))
    flags = ("--group-regex", "(same)", "--shares", "0,0,1")
    assert run("folder", tmp_path / "set", "--out", tmp_path / "m.csv", *flags) == 0
    told = capsys.readouterr().out
    assert "20 videos in 1 groups: 20 test" in told
    assert "The group 'same' holds 20 of them" in told


def test_table_to_manifest(root, tmp_path):
    table = root / "table.csv"
    table.write_text("file,what,is\nreal/a.mp4,video,real\nfake/x/a.mp4,video,fake\nnone.jpg,photo,odd\n")
    columns = ("--path-column", "file", "--label-column", "is", "--where", "what=video")
    assert run("csv", table, "--out", tmp_path / "m.csv", *columns) == 0
    assert [entry.video_id for entry in read_manifest(tmp_path / "m.csv")] == ["set/fake/x/a.mp4", "set/real/a.mp4"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["folder", "nowhere", "--out", "m.csv"], "There is no nowhere"),
        (["csv", "nowhere.csv", "--out", "m.csv"], "There is no nowhere.csv"),
        (["folder", "empty", "--out", "m.csv"], "neither a folder real/ nor fake/"),
        (["folder", "one_class", "--out", "m.csv"], "is real; a model needs both classes"),
        (["folder", "set", "--out", "m.csv", "--shares", "1,2,3"], "add up to 1"),
        (["folder", "set", "--out", "m.csv", "--shares", "much"], "invalid shares value"),
        (["folder", "set", "--out", "m.csv", "--group-regex", "("], "no regular expression"),
        (["folder", "set", "--out", "m.csv", "--add", "nowhere.csv"], "There is no table nowhere.csv"),
        (["folder", "set", "--out", "m.csv", "--add", "set/table.csv"], "is no manifest"),
        (["folder", "set", "--out", "m.csv", "--attributes", "nowhere.csv"], "There is no table nowhere.csv"),
        (["folder", "set", "--out", "m.csv", "--wrong"], "unrecognized arguments: --wrong"),
        (["folder", "set"], "required: --out"),
        (["csv", "set/table.csv", "--out", "m.csv", "--label-column", "truth"], "no column 'truth'"),
        (["csv", "set", "--out", "m.csv"], "There is no table set"),
        (["floder", "set", "--out", "m.csv"], "invalid choice: 'floder'"),
        ([], "required: LAYOUT"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(root, monkeypatch, capfd, argv, message):
    monkeypatch.chdir(root.parent)
    (root / "table.csv").write_text("path,label\nreal/a.mp4,real\n")
    (root.parent / "empty").mkdir()
    (root.parent / "one_class" / "real").mkdir(parents=True)
    (root.parent / "one_class" / "real" / "a.mp4").write_text("a")
    assert run(*argv) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (root.parent / "m.csv").exists()


def test_real_table_splits_by_its_groups(real_data, tmp_path):
    out = tmp_path / "manifest.csv"
    assert run("csv", real_data / "manifest.csv", "--out", out, "--where", "kind=video*") == 0
    entries = read_manifest(out)
    assert len(entries) == 96
    splits_of = {}
    for entry in entries:
        splits_of.setdefault(entry.identities, set()).add(entry.split)
    assert all(len(found) == 1 for found in splits_of.values())
    for split in ("train", "val", "test"):
        assert {entry.label for entry in entries if entry.split == split} == {0, 1}


def test_real_table_without_a_filter_says_what_to_leave_out(real_data, tmp_path, capfd):
    assert run("csv", real_data / "manifest.csv", "--out", tmp_path / "manifest.csv") == 2
    assert "Received: 'mixed'. Mend it, or leave such rows out (--where" in capfd.readouterr().err
