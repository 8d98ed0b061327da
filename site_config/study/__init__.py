"""The study: its model, presets, locking and the digest of the code."""
