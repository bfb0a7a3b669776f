"""The stages, each a command: python -m pipelines.<stage> --help."""
