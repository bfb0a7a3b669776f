import json

import pytest

from pipelines import probe


def measured(auc, interval=(None, None), pairs=None):
    return {"roc_auc": auc, "interval": list(interval), "pairs": pairs, "clip_auc": auc, "accuracy": 0.5}


def cell(classifier, auc):
    settings = {
        "backbone": "small_cnn",
        "transform": "none",
        "reduction": "pca:4",
        "classifier": classifier,
        "classifier_settings": {"C": 1.0},
    }
    pairs = {"roc_auc": 0.55, "interval": [0.31, 0.79]}
    return {"settings": settings, "val": measured(auc, (0.4, 0.9), pairs)}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbones", "smallcnn"], "Did you mean 'small_cnn'"),
        (["--classifiers", "svm"], "Unknown name 'svm' in classifiers"),
        (["--reductions", "pca:0"], "pca:16"),
        (["--transforms", "blurr"], "Unknown transform 'blurr'"),
        (["--backbone-settings", "[]"], "invalid"),
        (["more"], "--cross takes several"),
        (["--cross", "--test"], "--cross always tests"),
    ],
)
def test_wrong_flags_are_one_line_and_code_2(flags, message, capsys, tmp_path):
    try:
        code = probe.main([str(tmp_path / "data"), *flags, "--out", str(tmp_path / "run")])
    except SystemExit as end:
        code = end.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_all_classifiers_can_be_asked_for_at_once():
    arguments = probe.build_parser().parse_args(["data", "--out", "run", "--classifiers", "all"])
    assert len(probe.read_search(arguments).classifiers) == 9


def test_summary_names_the_winner_and_what_to_do_next(capsys):
    arguments = probe.build_parser().parse_args(["DATA", "--out", "RUN"])
    results = {
        "cells": [cell("lda", 0.6), cell("svm_rbf", 0.8)],
        "winner": 1,
        "splits": {"train": {}, "val": {}},
        "runs": [{"path": "runs/a", "name": "resnet50 + mean", "val": measured(None, pairs=measured(None))}],
    }
    probe.print_summary(json.loads(json.dumps(results)), arguments)
    shown = capsys.readouterr().out
    assert "val, matched pairs" in shown
    assert "0.550 (0.310 to 0.790)" in shown
    assert shown.index("svm rbf") < shown.index("lda")
    assert "0.800 (0.400 to 0.900)" in shown
    assert "resnet50 + mean" in shown
    assert 'Best on val: small_cnn, pca:4: svm rbf with {"C": 1.0}' in shown
    assert "python -m pipelines.evaluate RUN DATA --split test" in shown


def test_a_matrix_is_shown_with_what_it_lacks(capsys):
    tests = {"a": measured(0.9, (0.8, 1.0)), "b": None}
    results = {"columns": [{"name": "a"}, {"name": "b"}], "rows": [{"name": "a", "probe": "x: lda", "tests": tests}]}
    probe.print_matrix(results)
    shown = capsys.readouterr().out
    assert "0.900 (0.800 to 1.000)" in shown
    assert "one class only" in shown
