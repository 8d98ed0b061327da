"""Opened numbers for TensorBoard and MLflow, where a coordinator asks for it."""
