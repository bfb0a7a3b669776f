from pipelines import blend
from tests.clips_of_squares import both_classes, write_data


def test_it_says_what_it_made(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    arguments = [str(data), "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert blend.main(arguments) == 0
        said = capsys.readouterr().out.splitlines()
        assert "  train: 8 clips" in said
        assert said[-1] == f"The shards are in {tmp_path / 'out'}"


def test_wrong_use_is_one_line(tmp_path, capsys):
    assert blend.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
