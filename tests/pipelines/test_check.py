import pytest

from deepfake_tf.manifest import VideoEntry, write_manifest
from pipelines import check as stage


@pytest.fixture
def entries(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("a")
    return [
        VideoEntry("r1", path, 0, group="g", split="train", sha256="1", identities=("g",)),
        VideoEntry("f1", path, 1, group="g", split="train", sha256="2", identities=("g",), method="swap [a]"),
        VideoEntry("f2", path, 1, group="h", split="val", sha256="3", identities=("h",), method="swap [a]"),
        VideoEntry("u1", path, None, group="u", sha256="4"),
    ]


def run(tmp_path, entries, *argv) -> int:
    write_manifest(entries, tmp_path / "manifest.csv")
    return stage.main([str(tmp_path / "manifest.csv"), *argv])


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")]


def test_sound_manifest_is_counted(entries, tmp_path, capsys):
    assert run(tmp_path, entries) == 0
    told = capsys.readouterr().out
    assert rows(told) == [
        ["train", "1", "1", "0", "1", "##########.......... 50% fake"],
        ["val", "0", "1", "0", "1", "#################### 100% fake"],
        ["none", "0", "0", "1", "1", ""],
        ["-", "1", "0", "1"],
        ["swap [a]", "0", "2", "0"],
    ]
    for line in ("4 videos in 3 groups", "no identity known: 1 videos", "missing files: none", "leaks: none"):
        assert line in told


def test_missing_file_is_named_and_ends_with_1(entries, tmp_path, capsys):
    entries.append(VideoEntry("gone", tmp_path / "gone [1].mp4", 0, group="x", split="train"))
    assert run(tmp_path, entries) == 1
    told = capsys.readouterr().out
    assert "missing files: 1" in told
    assert f"  {tmp_path / 'gone [1].mp4'}" in told


def test_equal_files_are_told_and_contradictions_end_with_1(entries, tmp_path, capsys):
    entries.append(VideoEntry("r2", entries[0].path, 0, group="g", split="train", sha256="1"))
    assert run(tmp_path, entries) == 0
    assert "equal files: 1\n  r1 = r2\n" in capsys.readouterr().out
    entries.append(VideoEntry("f3", entries[0].path, 1, group="g", split="train", sha256="1"))
    assert run(tmp_path, entries) == 1
    assert "equal files with different labels: 1\n  r1 (real) = r2 (real) = f3 (fake)\n" in capsys.readouterr().out


def test_leak_ends_with_2_and_its_chain(entries, tmp_path, capsys):
    entries.append(VideoEntry("f3", entries[0].path, 1, group="g2", split="test", identities=("g",)))
    assert run(tmp_path, entries) == 2
    chain = "r1 (train) - identity 'g' - f3 (test)"
    assert chain in capsys.readouterr().err
    assert run(tmp_path, entries, "--accept-official-leak") == 0
    assert f"leak: {chain}" in capsys.readouterr().out


def test_missing_manifest(tmp_path, capsys):
    assert stage.main([str(tmp_path / "nothing.csv")]) == 2
    assert capsys.readouterr().err == f"error: There is no table {tmp_path / 'nothing.csv'}.\n"
