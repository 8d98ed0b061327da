"""The demonstration's own cohort over twenty seeds: whether it tells the paper's story."""
