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


@pytest.mark.parametrize("arguments", [[], ["base"], ["base", "one"]])
def test_wrong_use_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        activate.main(arguments)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
