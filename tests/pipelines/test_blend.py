from deepfake_tf import autoencoders
from deepfake_tf.batching.clip_table import list_clips
from pipelines import blend
from tests.clips_of_squares import both_classes, write_data
from tests.test_reconstructing import Inverting


def test_it_says_what_it_made(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    arguments = [str(data), "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert blend.main(arguments) == 0
        said = capsys.readouterr().out.splitlines()
        assert "  train: 8 clips" in said
        assert said[-1] == f"The shards are in {tmp_path / 'out'}"


def test_faces_are_reconstructed(tmp_path, monkeypatch):
    def learn(faces, folder, *, epochs, **settings):
        assert (folder, epochs) == (tmp_path / "drawing", 3)
        return Inverting()

    monkeypatch.setattr(autoencoders, "learn", learn)
    data = write_data(tmp_path / "data", {"train": both_classes("t", 2)})
    arguments = [str(data), "--out", str(tmp_path / "out"), "--autoencoder-epochs", "3"]
    assert blend.main([*arguments, "--autoencoders", str(tmp_path / "drawing")]) == 0
    assert set(list_clips(tmp_path / "out", ["train"]).methods) == {"", "reconstructed"}


def test_wrong_use_is_one_line(tmp_path, capsys):
    assert blend.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
