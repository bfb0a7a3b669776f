import pytest

from pipelines import activate
from tests.serving.processes import free_port


def test_activate_says_what_it_did(tmp_path, capsys):
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    assert activate.main([str(tmp_path), "1"]) == 0
    assert capsys.readouterr().out == f"Version 1 of {tmp_path} is the newest now. Retired: 2, 3.\n"
    assert activate.main([str(tmp_path), "9"]) == 2
    assert "has no version 9. It has: 1, 2, 3." in capsys.readouterr().err


def test_activate_tells_when_the_server_does_not_answer(tmp_path, capsys):
    (tmp_path / "1").mkdir()
    assert activate.main([str(tmp_path), "1", "--target", f"127.0.0.1:{free_port()}", "--timeout-sec", "3"]) == 2
    assert "did not answer" in capsys.readouterr().err


class Served:
    """A model server that serves what it is told, one answer after the other, the last for good."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def available_versions(self, *, deadline_sec):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self):
        pass


def test_activate_waits_until_the_server_serves_the_version_and_none_newer(tmp_path, capsys, monkeypatch):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(activate, "POLL_SEC", 0.01)
    server = Served([2], [], [1, 2], [1])
    monkeypatch.setattr("deepfake_tf.predictors.tf_serving.open_predictor", lambda target, model_name: server)
    assert activate.main([str(tmp_path), "1", "--target", "h:1", "--model-name", "m"]) == 0
    assert "h:1 serves version 1 of m, and none that is newer." in capsys.readouterr().out
    assert server.answers == [[1]]
    # Back again: what was retired returns, but this server does not take it up.
    assert activate.main([str(tmp_path), "2", "--target", "h:1", "--model-name", "m", "--timeout-sec", "0.05"]) == 2
    assert "The newest version of m at h:1 is not 2 after 0.05 s. It serves: 1." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["base"], ["base", "one"]])
def test_wrong_use_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        activate.main(arguments)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
