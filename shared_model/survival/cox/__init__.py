"""Federated Cox models."""
