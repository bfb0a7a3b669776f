"""Classifiers on embeddings, one file each: fitted with scikit-learn, served as a Keras layer that gives the same.

A file exposes:
  GRID: tuple of dicts                                     settings of `fit` to choose from, the plainest first
  LOGIT: str                                               what the logit is, in words
  fit(features, labels, *, seed, **settings) -> estimator  features float64 [N, D], standardised; labels int [N], 0 or
                                                           1 (fake), both present
  logits(estimator, features) -> float64 [N]               by scikit-learn; above 0 for fake
  to_arrays(estimator) -> dict                             what `apply` needs, see fitted.py
  apply(arrays, features) -> logit [B]                     the same in keras.ops
"""
