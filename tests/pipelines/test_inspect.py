import pytest

from pipelines import inspect
from tests.clips_of_squares import both_classes, write_data


def test_it_writes_a_sheet_and_says_where(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    sheet = tmp_path / "sheet.html"
    assert inspect.main([str(data), "--recipe", "robust", "--out", str(sheet), "--num-clips", "2"]) == 0
    said = capsys.readouterr().out
    assert "2 real, 2 fake, 2 self-blended" in said
    assert "h264" in said
    assert said.splitlines()[-1] == f"The sheet is {sheet}"
    assert sheet.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("arguments", [["nowhere"], ["DATA", "--num-clips", "0"], ["DATA", "--split", "test"]])
def test_wrong_use_is_one_line(tmp_path, capsys, arguments):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 1)})
    arguments = [str(data) if one == "DATA" else one for one in arguments]
    assert inspect.main([*arguments, "--out", str(tmp_path / "sheet.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
