"""Drawings of the report."""
