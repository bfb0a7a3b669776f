import csv
import json

import pytest

from pipelines import predict
from tests import servables
from tests.serving import videos


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    base = tmp_path_factory.mktemp("servables") / "detector"
    servables.tiny_servable(base)
    return base


@pytest.mark.slow
def test_predict_judges_a_folder(base_path, tmp_path, capsys):
    videos.face_video(tmp_path / "a.mp4")
    (tmp_path / "sub").mkdir()
    videos.faceless_video(tmp_path / "sub" / "b.mp4")
    (tmp_path / "notes.txt").write_text("not a video")
    assert predict.main([str(base_path), str(tmp_path), "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    heads, first, second = out.splitlines()
    assert heads.split()[:2] == ["verdict", "score"]
    assert first.startswith("FAKE")
    assert first.endswith("a.mp4")
    assert second.startswith("NO_FACE")
    assert "b.mp4: No face was found" in second
    assert err.endswith("2 videos: 1 FAKE, 1 NO_FACE\n")


@pytest.mark.slow
def test_predict_prints_json(base_path, tmp_path, capsys):
    video = tmp_path / "text.mp4"
    video.write_text("not a video")
    assert predict.main([str(base_path), str(video), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["name"] == str(video)
    assert made["verdict"]["verdict"] == "UNREADABLE"
    assert "score" not in made["verdict"]


@pytest.mark.slow
def test_a_table_is_gone_on_with(base_path, tmp_path, capsys):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("not a video")
    table = tmp_path / "verdicts.csv"
    assert predict.main([str(base_path), str(tmp_path / "a.mp4"), "--csv", str(table)]) == 0
    assert predict.main([str(base_path), str(tmp_path), "--csv", str(table), "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert "1 of 2 videos are in" in err
    assert [line.split()[0] for line in out.splitlines() if "b.mp4" in line] == ["UNREADABLE"]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["verdict"], row["score"]) for row in rows] == [
        (str(tmp_path / name), "UNREADABLE", "") for name in ("a.mp4", "b.mp4")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["servables/absent", "pyproject.toml"], "A model is named by its folder"),
        (["servables/absent", "absent.mp4"], "There is no such file or folder. Received: absent.mp4"),
        (["servables/absent", "docker"], "There are no video files in docker."),
    ],
)
def test_wrong_use_is_one_line(arguments, message, capsys):
    assert predict.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
