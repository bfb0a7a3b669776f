import json

import pytest

from pipelines import litert, predict


def test_table_has_a_row_for_each(capsys):
    rows = [
        {"name": "SavedModel", "num_bytes": 1_234_567, "score_difference": 0.0, "agreement": 1.0, "ms_per_clip": 12.34},
        {"name": "int8", "num_bytes": 98_765, "score_difference": 0.0123, "agreement": 0.975, "ms_per_clip": 4.0},
    ]
    litert.print_table([rows[0], {**rows[1], "made": False}])
    heads, saved, small = capsys.readouterr().out.splitlines()
    assert heads.split() == ["KB", "score", "off", "by", "same", "answer", "ms", "a", "clip"]
    assert saved.split() == ["SavedModel", "1,235", "0", "100.0%", "12.3"]
    assert small.split() == ["int8", "99", "0.012", "97.5%", "4.0", "(was", "there)"]


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    assert litert.main([str(tmp_path), str(tmp_path), "--out", str(tmp_path / "edge")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: There is no ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "edge").exists()


def test_with_litert_all_arguments_are_videos(tmp_path, capsys):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("not a video")
    videos = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    for arguments in (["--litert", "absent.tflite", *videos], [*videos, "--litert", "absent.tflite"]):
        assert predict.main(arguments) == 2
        assert "Received: 'absent.tflite'" in capsys.readouterr().err
    assert predict.main(["servables/detector"]) == 2
    assert capsys.readouterr().err.startswith("error: Which videos?")


@pytest.mark.slow
def test_a_file_judges_as_the_command_says(tmp_path, capsys):
    from deepfake_tf.litert import _pack
    from tests import servables

    # No flat buffer at all: what is wrong is said in one line.
    path = tmp_path / "x.tflite"
    path.write_bytes(_pack(b"TFL3", servables.SPEC.to_text(), json.dumps({})))
    (tmp_path / "a.mp4").write_text("not a video")
    assert predict.main(["--litert", str(path), str(tmp_path / "a.mp4")]) == 2
    assert "cannot be loaded" in capsys.readouterr().err
