"""Survival analysis from sums over sites."""
