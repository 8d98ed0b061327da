"""Attacks on what a study opens from secret shares."""
