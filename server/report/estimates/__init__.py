"""Estimates of the report, made from opened numbers."""
