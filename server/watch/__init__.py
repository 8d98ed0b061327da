"""Where a study stands, for whoever watches it."""
