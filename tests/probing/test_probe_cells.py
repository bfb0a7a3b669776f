"""Cells of a probe's table: what folds hold, and which settings are chosen."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from deepfake_tf.classifiers import logistic_regression
from deepfake_tf.errors import TrainingError
from deepfake_tf.probing import probe_cells
from deepfake_tf.probing.probe_cells import Bench, Examples, fit_cell
from deepfake_tf.probing.probe_settings import ProbeSettings

SETTINGS = ProbeSettings("small_cnn", classifier="logistic_regression")


def examples(num_groups=12, *, seed=0):
    """Four clips a group, half of the groups fake; the features tell little."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_groups) % 2, 4)
    features = rng.normal(5, 3, (len(labels), 6)) + 0.8 * labels[:, None]
    groups = tuple(f"g{number // 4}" for number in range(len(labels)))
    return Examples(features.astype(np.float32), labels, groups, groups, np.zeros(len(labels), bool))


def test_folds_part_groups_and_score_no_copies():
    plain = examples()
    doubled = plain.with_copies(plain.features + 100)
    assert len(doubled.groups) == 96
    folds = probe_cells._fold_rows(doubled, 3, seed=0)
    assert len(folds) == 3
    groups = np.array(doubled.groups)
    for fitted, scored in folds:
        assert not set(groups[fitted]) & set(groups[scored])
        assert not doubled.is_copy[scored].any()
        assert doubled.is_copy[fitted].sum() == len(fitted) / 2
    assert sorted(np.concatenate([scored for _, scored in folds]).tolist()) == list(range(48))


def test_no_fold_is_scored_on_a_face_that_it_was_fitted_on():
    plain = examples()
    # The second clip of each fake group wears the face of the real group before it.
    worn = tuple(
        f"g{int(group[1:]) - 1}" if label and number % 4 == 1 else group
        for number, (group, label) in enumerate(zip(plain.groups, plain.labels, strict=True))
    )
    groups, faces = np.array(plain.groups), np.array(worn)
    kept = 0
    for fitted, scored in probe_cells._fold_rows(dataclasses.replace(plain, face_groups=worn), 3, seed=0):
        people = [set(groups[rows]) | set(faces[rows]) for rows in (fitted, scored)]
        assert not people[0] & people[1]
        kept += len(scored)
    assert 42 <= kept < 48


def test_settings_are_those_that_score_best_in_the_folds():
    given = examples()
    cell = fit_cell(SETTINGS, Bench(given, "none", num_folds=3, seed=0))
    by_c = {}
    for settings in logistic_regression.GRID:
        aucs = []
        for fitted, scored in probe_cells._fold_rows(given, 3, seed=0):
            scaler = StandardScaler().fit(given.features[fitted].astype(np.float64))
            model = LogisticRegression(**settings, class_weight="balanced", max_iter=5000)
            model.fit(scaler.transform(given.features[fitted]), given.labels[fitted])
            logits = model.decision_function(scaler.transform(given.features[scored]))
            aucs.append(roc_auc_score(given.labels[scored], logits))
        by_c[settings["C"]] = np.mean(aucs)
    assert cell.cv_auc == pytest.approx(max(by_c.values()))
    assert by_c[cell.settings.classifier_settings["C"]] == max(by_c.values())


def test_one_group_of_a_kind_leaves_the_plainest_settings():
    one = examples(2)
    single = Examples(one.features, one.labels, ("g",) * 8, ("g",) * 8, one.is_copy)
    cell = fit_cell(SETTINGS, Bench(single, "pca:2", num_folds=3, seed=0))
    assert cell.cv_auc is None
    assert cell.settings.classifier_settings == logistic_regression.GRID[0]
    assert cell.num_features == 2


def test_layers_that_differ_from_scikit_learn_are_never_kept(monkeypatch):
    monkeypatch.setattr(logistic_regression, "apply", lambda arrays, features: features[:, 0])
    with pytest.raises(TrainingError, match="cannot be served"):
        fit_cell(SETTINGS, Bench(examples(), "none", num_folds=2, seed=0))
