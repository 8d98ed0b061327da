"""Arithmetic on secrets: one way to write a circuit, two ways to run it (on shares, on plain numbers)."""
