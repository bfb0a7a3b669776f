from dataclasses import replace

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
        ["train", "1", "1", "0", "1", "1", "#####..... 50%"],
        ["val", "0", "1", "0", "1", "1", "########## 100%"],
        ["none", "0", "0", "1", "0", "1", ""],
        ["swap [a]", "0", "2", "0", "2", "2", "########## 100%"],
        ["none", "1", "0", "1", "1", "2", ".......... 0%"],
    ]
    for line in (
        "4 videos of 2 identities in 3 groups, the largest 'g' with 2",
        "no identity known: 1 videos",
        "missing files: none",
        "leaks: none",
    ):
        assert line in told


def test_missing_file_is_named_and_ends_with_1(entries, tmp_path, capsys):
    entries.append(VideoEntry("gone", tmp_path / "gone [1].mp4", 0, group="x", split="train"))
    assert run(tmp_path, entries) == 1
    told = capsys.readouterr().out
    assert "missing files: 1" in told
    assert f"  {tmp_path / 'gone [1].mp4'}" in told
    entries += [VideoEntry(f"gone{n}", tmp_path / f"{n}.mp4", 0, group="x", split="train") for n in range(6)]
    assert run(tmp_path, entries) == 1
    told = capsys.readouterr().out
    assert "missing files: 7\n" in told
    assert "  and 2 more\n" in told


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
    # It is no data set's own list that says so.
    assert run(tmp_path, entries, "--accept-official-leak") == 2


def test_leak_in_official_lists_can_be_accepted(entries, tmp_path, capsys):
    listed = [replace(entry, dataset="d", attributes={"official_split": entry.split}) for entry in entries]
    listed.append(replace(listed[1], video_id="f3", split="test", attributes={"official_split": "test"}))
    assert run(tmp_path, listed) == 2
    assert "--accept-official-leak" in capsys.readouterr().err
    assert run(tmp_path, listed, "--accept-official-leak") == 0
    assert "leak in the data set's own lists: r1 (train) - identity 'g' - f3 (test)" in capsys.readouterr().out


def test_attributes_of_a_few_values_are_counted_and_drawn(entries, tmp_path, capsys):
    contexts = ["political", "political", "entertainment", ""]
    entries = [
        replace(entry, attributes={"context": context}) for entry, context in zip(entries, contexts, strict=True)
    ]
    assert run(tmp_path, entries, "--picture", str(tmp_path / "drawn.png")) == 0
    told = capsys.readouterr().out
    assert "Videos by context" in told
    assert ["political", "1", "1", "0", "1", "1", "#####..... 50%"] in rows(told)
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    assert f"The picture is {tmp_path / 'drawn.png'}" in told


def test_missing_manifest(tmp_path, capsys):
    assert stage.main([str(tmp_path / "nothing.csv")]) == 2
    assert capsys.readouterr().err == f"error: There is no table {tmp_path / 'nothing.csv'}.\n"
