"""What happens to a model's scores when videos get worse."""
