"""A detector from a few videos and photographs that holds on others: ingredients, folds, sanity, a log."""
