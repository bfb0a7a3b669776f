"""The commands that choose and compare numbers: what they pass on, what they print, how they refuse."""

import json

import pytest

from deepfake_tf import command
from deepfake_tf.judging import run_calibration
from deepfake_tf.judging.decision import Goal
from deepfake_tf.judging.run_calibration import Wanted
from deepfake_tf.reporting import comparison, matrix
from pipelines import calibrate, compare
from pipelines import matrix as matrix_command

CHOSEN = {
    "decision": {
        "joining": "trimmed_mean",
        "calibration": {"method": "platt", "scale": 0.5, "offset": -0.25, "logits": [], "scores": []},
        "threshold": 0.71,
        "band": 0.05,
    },
    "chosen_on": {
        "num_real": 12,
        "num_fake": 14,
        "goal": "at most 0.05 of the reals called fake",
        "joinings": {"mean": 0.4, "trimmed_mean": 0.35},
        "before": {"log_loss": 0.6, "ece": 0.2, "roc_auc": None},
        "after": {"log_loss": 0.4, "ece": 0.1, "roc_auc": None},
        "rates": {"false_positive": 0.04, "true_positive": 0.8, "inconclusive": 0.1},
        "notes": ["few videos"],
    },
}


def test_calibrate_passes_on_what_was_asked_and_says_what_was_chosen(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(run_calibration, "calibrate", lambda *given, **more: asked.append((given, more)) or CHOSEN)
    flags = ["--method", "platt", "--max-fpr", "0.05", "--joining", "trimmed_mean", "--inconclusive", "0.2"]
    assert calibrate.main([str(tmp_path), "data", *flags]) == command.DONE
    (given, more) = asked[0]
    assert given[2] == Wanted("trimmed_mean", "platt", Goal(max_false_rate=0.05), 0.2)
    assert more["split"] == "val"
    out = capsys.readouterr().out
    assert "trimmed_mean (log loss of each, at its own temperature: mean 0.400, trimmed_mean 0.350)" in out
    assert "platt, sigmoid(0.5 * logit -0.25)" in out
    assert "0.710: at most 0.05 of the reals called fake" in out
    assert "note: few videos" in out
    assert str(tmp_path / "calibration.json") in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-fpr", "2"], "lies in"),
        (["--max-fpr", "0.1", "--cost-false-alarm", "2"], "not allowed with"),
        (["--share-fakes", "0.1"], "belongs to a false alarm's cost"),
        (["--joining", "median"], "invalid choice"),
        (["--split", "test"], "measured on nothing"),
    ],
)
def test_calibrate_refuses_in_one_line(flags, message, tmp_path, capsys):
    try:
        code = calibrate.main([str(tmp_path), "data", *flags])
    except SystemExit as end:  # argparse's own
        code = end.code
    assert code == command.WRONG_USE
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) <= 2


def test_compare_prints_both_and_the_words(monkeypatch, tmp_path, capsys):
    auc = {"first": 0.9, "second": 0.8, "difference": 0.1, "interval": [-0.02, 0.2]}
    found = {
        "num_real": 5,
        "num_fake": 6,
        "num_groups": 7,
        "only_first": 1,
        "only_second": 0,
        "words": "Undecided: so it is.",
        "delong": {"z": 1.5, "p": 0.134},
        "differences": {"roc_auc": auc, "ece": auc | {"interval": [None, None]}},
        "right": {"both": 8, "first_only": 2, "second_only": 1, "neither": 0, "p": 1.0},
    }
    monkeypatch.setattr(comparison, "compare", lambda *given, **more: found)
    assert compare.main([str(tmp_path / "a"), str(tmp_path / "b"), "data"]) == command.DONE
    out = capsys.readouterr().out
    assert "roc_auc                0.900   0.800   +0.100  -0.020 to +0.200" in out
    assert "1 judged by one alone are left out" in out
    assert "Undecided: so it is." in out
    assert str(tmp_path / "a" / "against-b-test") in out
    assert compare.main([str(tmp_path), str(tmp_path), "data"]) == command.WRONG_USE
    assert "not with itself" in capsys.readouterr().err


def test_matrix_prints_a_row_a_run_and_why_a_cell_is_empty(monkeypatch, tmp_path, capsys):
    cells = [
        {"run": "r", "data": "a", "auc": 0.9, "interval": [0.8, 1.0], "trained_on": True, "reason": ""},
        {"run": "r", "data": "b", "auc": None, "interval": [None, None], "trained_on": False, "reason": "other clips"},
    ]
    found = {"runs": {"r": "r"}, "data": {"a": "a", "b": "b"}, "cells": cells, "elsewhere": {"r": None}}
    monkeypatch.setattr(matrix, "evaluate_all", lambda *given, **more: json.loads(json.dumps(found)))
    code = matrix_command.main(["r", "--data", "a", "b", "--out", str(tmp_path)])
    assert code == command.SOME_FAILED
    out = capsys.readouterr().out
    assert "0.900* (0.800 to 1.000)" in out
    assert "r on b: other clips" in out
