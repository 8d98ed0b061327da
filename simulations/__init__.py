"""Both sides on one machine."""
