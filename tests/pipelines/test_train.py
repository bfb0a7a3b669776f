"""The commands from shards to a report, run in this process on squares."""

import json

import pytest

from deepfake_tf import command
from pipelines import evaluate, train, tune
from tests.clips_of_squares import both_classes, write_data

TINY = ["--backbone-settings", '{"channels": [4]}', "--head", "mean", "--epochs", "2", "--batch-size", "4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(
        tmp_path_factory.mktemp("squares") / "data",
        {split: both_classes(split, 2) for split in ("train", "val", "test")},
        refused=("test3",),
    )


@pytest.fixture(scope="module")
def run_dir(data, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run") / "run"
    running = ["--tensorboard", "--devices", "1", "--save-every-min", "0"]
    assert train.main([str(data), "--out", str(run_dir), *TINY, *running]) == command.DONE
    return run_dir


def failing(main, arguments, capsys) -> str:
    """The one line that a wrong use gives."""
    try:
        code = main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    assert code == command.WRONG_USE
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_train_says_what_it_will_do_and_what_came_of_it(data, run_dir, capsys):
    # Finished by now: found so, and told again.
    assert train.main([str(data), "--out", str(run_dir), *TINY]) == command.DONE
    out = capsys.readouterr().out
    assert "small_cnn with mean" in out
    assert "Best of 2 epochs by val_loss" in out
    assert "2 epochs are too few to read curves from" in out
    assert "decode" in out
    assert str(run_dir) in out
    assert list((run_dir / "tensorboard").iterdir())


def test_how_batches_are_loaded_is_no_setting_of_the_run(data, run_dir, tmp_path, capsys):
    loading = ["--threads", "1", "--cache", str(tmp_path / "cache")]
    assert train.main([str(data), "--out", str(tmp_path / "run"), *TINY, *loading]) == command.DONE
    first, second = (json.loads((path / "run.json").read_text()) for path in (run_dir, tmp_path / "run"))
    assert first["settings"] == second["settings"]
    assert first["result"]["metrics"] == second["result"]["metrics"]
    assert list((tmp_path / "cache").iterdir())


def test_settings_of_a_run_repeat_it(data, run_dir, tmp_path, capsys):
    again = ["--settings", str(run_dir / "run.json")]
    assert train.main([str(data), "--out", str(tmp_path / "again"), *again]) == command.DONE
    first, second = (json.loads((path / "run.json").read_text()) for path in (run_dir, tmp_path / "again"))
    assert first["settings"] == second["settings"]
    assert first["result"]["metrics"] == second["result"]["metrics"]
    # A line is left of each epoch.
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch   ")]
    assert [line.split()[1] for line in lines] == ["1", "2"]
    assert "val_auc" in lines[0]
    assert lines[0].endswith("best")


def test_evaluate_prints_scores_and_the_path_of_the_report(data, run_dir, capsys):
    assert evaluate.main([str(run_dir), str(data)]) == command.DONE
    out = capsys.readouterr().out
    assert "3 of 4 videos judged, 1 NO_FACE" in out
    assert "roc_auc" in out
    assert (run_dir / "evaluation-test" / "report.html").is_file()
    assert str(run_dir / "evaluation-test" / "report.html") in out


def test_tune_writes_settings_that_train_takes(data, tmp_path, capsys):
    search = ["--tuner", "random", "--max-trials", "1", "--heads", "mean", "--space", "batch_size=4", "--epochs", "1"]
    assert tune.main([str(data), "--out", str(tmp_path / "tuned"), *search]) == command.DONE
    told = capsys.readouterr()
    assert "Trials: 1, failed: 0" in told.out
    assert [line.split()[:3] for line in told.err.splitlines() if line.startswith("trial 0 ")] == [
        ["trial", "0", "val_loss"]
    ]
    taken = ["--settings", str(tmp_path / "tuned" / "run.json")]
    assert train.main([str(data), "--out", str(tmp_path / "run"), *taken]) == command.DONE


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--head", "lstn"], "invalid choice: 'lstn'"),
        (["--epochs", "0"], "epochs must be a whole number of 1 or more"),
        (["--epochs", "many"], "invalid int value"),
        (["--head-settings", "[1]"], "head-settings"),
        (["--head-settings", '{"unit": 3}', "--head", "lstm"], "lstm in heads does not take"),
        (["--settings", "nowhere.json"], "There is no nowhere.json"),
        (["--learning-rate", "-1"], "learning_rate must be above 0"),
        (["--ema", "1"], "ema must lie in [0, 1)"),
        (["--warmup-epochs", "5", "--epochs", "3"], "warmup_epochs must not be above epochs=3"),
        (["--optimizer", "rmsprop"], "invalid choice: 'rmsprop'"),
        (["--devices", "9"], "TensorFlow sees 1 CPUs here"),
    ],
)
def test_wrong_flags_are_one_line(data, tmp_path, capsys, flags, says):
    assert says in failing(train.main, [data, "--out", tmp_path / "run", *flags], capsys)


def test_wrong_folders_are_one_line(data, run_dir, tmp_path, capsys):
    nowhere = tmp_path / "nowhere"
    assert "no finished extraction" in failing(train.main, [nowhere, "--out", tmp_path / "run"], capsys)
    assert "no finished extraction" in failing(tune.main, [nowhere, "--out", tmp_path / "run"], capsys)
    assert "There is no" in failing(evaluate.main, [nowhere, data], capsys)
    assert "no finished extraction" in failing(evaluate.main, [run_dir, nowhere], capsys)
    assert "invalid choice" in failing(evaluate.main, [run_dir, data, "--split", "all"], capsys)


def test_one_class_is_one_line(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"train": [("a", 0)], "val": [("b", 0)]})
    assert "needs real and fake clips" in failing(train.main, [data, "--out", tmp_path / "run"], capsys)
    assert "needs real and fake clips" in failing(tune.main, [data, "--out", tmp_path / "run"], capsys)


def test_what_is_stopped_says_that_it_goes_on(data, tmp_path, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("deepfake_tf.learning.training.train", stopped)
    assert train.main([str(data), "--out", str(tmp_path / "run")]) == command.INTERRUPTED
    assert "goes on from there" in capsys.readouterr().err
