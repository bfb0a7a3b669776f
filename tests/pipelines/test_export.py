import json

import pytest

from deepfake_tf.learning import settings
from pipelines import export
from tests import servables


@pytest.fixture
def run_dir(tmp_path):
    """A finished run, as training leaves it, of a network with new weights."""
    model = servables.tiny_model()
    chosen = settings.TrainSettings(
        backbone="small_cnn",
        head="lstm",
        backbone_settings=servables.plugin_settings("backbones", "small_cnn"),
        head_settings=servables.plugin_settings("heads", "lstm"),
    )
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model.keras")
    run = {
        "format_version": settings.RUN_VERSION,
        "settings": chosen.to_json(),
        "environment": {},
        "data": {"clip_spec": servables.CLIP_SPEC.to_json(), "fingerprint": "0123"},
        "result": {},
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder


@pytest.mark.slow
def test_export_publishes_says_where_and_finds_finished_work(run_dir, tmp_path, capsys):
    base = tmp_path / "servables" / "detector"
    assert export.main([str(run_dir), "--out", str(base)]) == 0
    out = capsys.readouterr().out
    assert f"The servable is in {base / '1'}" in out
    assert "Version 1 gives the trained model's logits" in out
    assert export.main([str(run_dir), "--out", str(base)]) == 0
    assert "version 1 was made from this very run" in capsys.readouterr().out
    assert [path.name for path in base.iterdir()] == ["1"]
    assert export.main([str(run_dir), "--out", str(base), "--version", "7"]) == 0
    assert (base / "7" / "saved_model.pb").is_file()
    assert export.main([str(run_dir), "--out", str(base), "--version", "1"]) == 2
    assert "Version 1 of " in capsys.readouterr().err


def test_export_of_what_is_no_run_is_one_line(tmp_path, capsys):
    assert export.main([str(tmp_path), "--out", str(tmp_path / "servables")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: There is no ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "servables").exists()
