import pytest

from pipelines import inspect
from tests.clips_of_squares import both_classes, write_data
from tests.numbered import write_video
from tests.portraits import scene


def test_it_writes_a_sheet_and_says_where(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    sheet = tmp_path / "sheet.html"
    assert inspect.main([str(data), "--recipe", "robust", "--out", str(sheet), "--num-clips", "2"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-4:-1] == ["real: 2 clips", "fake: 2 clips", "self-blended: 2 clips"]
    assert "h264" in said
    assert said.splitlines()[-1] == f"The sheet is {sheet}"
    assert sheet.read_text().startswith("<!doctype html>")


def test_a_video_is_looked_at_without_a_recipe(tmp_path, capsys):
    video = write_video(tmp_path / "a.mp4", num_frames=8, draw=lambda number: scene([(100, 100)]))
    assert inspect.main([str(video), "--out", str(tmp_path / "sheet.html")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:3] == ["a face in 8 of 8 sampled frames: 1 clip", "track 0: 1 clip"]
    assert "recipe" not in "".join(said)


@pytest.mark.parametrize("arguments", [["nowhere"], ["DATA", "--num-clips", "0"], ["DATA", "--split", "test"]])
def test_wrong_use_is_one_line(tmp_path, capsys, arguments):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 1)})
    arguments = [str(data) if one == "DATA" else one for one in arguments]
    assert inspect.main([*arguments, "--out", str(tmp_path / "sheet.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
