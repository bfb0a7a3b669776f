"""The command says what it will do, what came of it, and what is wrong in one line."""

import pytest

from deepfake_tf import command
from deepfake_tf.searching import crossval
from pipelines import crossval as stage
from tests.clips_of_squares import both_classes, write_data

RESULT = {
    "folds": [
        {
            **{
                "fold": number,
                "num_real": 3,
                "num_fake": 4,
                "num_groups": 5,
                "best_epoch": 2,
                "num_epochs": 6,
                "num_left_out": number,
            },
            "metrics": {"roc_auc": auc},
        }
        for number, auc in enumerate((0.75, None))
    ],
    "over_folds": {"roc_auc": {"mean": 0.75, "spread": None}},
    "pooled": {
        "videos": {"metrics": {"roc_auc": 0.7}, "intervals": {"roc_auc": [0.6, 0.8]}, "num_groups": 9},
        "by": {
            "pair": [
                {
                    **{"value": "matched", "num_real": 2, "num_fake": 3, "coverage": None},
                    **{"metrics": {"roc_auc": 0.55}, "intervals": {"roc_auc": [0.25, 0.85]}},
                }
            ]
        },
    },
    "final": {"num_epochs": 2},
}


def test_what_came_of_it_is_told(tmp_path, capsys, monkeypatch):
    given = []
    monkeypatch.setattr(crossval, "cross_validate", lambda *one, **more: given.append((one, more)) or RESULT)
    flags = ["--folds", "2", "--fold-seed", "7", "--val-share", "0.2", "--head", "mean", "--epochs", "6"]
    assert stage.main(["DATA", "--out", str(tmp_path), *flags]) == command.DONE
    out = capsys.readouterr().out
    assert "small_cnn with mean on DATA in 2 folds by group, 6 epochs at most" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["0", "3", "4", "5", "2", "of", "6", "0.750"] in lines
    assert ["1", "3", "4", "5", "2", "of", "6", "none"] in lines
    assert ["matched", "0.550", "0.250", "to", "0.850", "2", "real,", "3", "fake"] in lines
    assert "somebody of another part: 0, 1\n" in out
    assert "0.700, 95 % over 9 groups: 0.600 to 0.800" in out
    assert str(tmp_path / "final") in out
    assert given[0][1]["folds"] == crossval.FoldSettings(2, 0.2, 7)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--folds", "1"], "num_folds must be a whole number of 2 or more"),
        (["--folds", "40"], "num_folds must lie between 2 and the number of groups, 8"),
        (["--val-share", "1.5"], "val_share must lie in (0, 1)"),
    ],
)
def test_wrong_flags_are_one_line(tmp_path, capsys, flags, says):
    data = write_data(tmp_path / "data", {"train": both_classes("t", 4)})
    assert stage.main([str(data), "--out", str(tmp_path / "out"), *flags]) == command.WRONG_USE
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]
