"""What leaves as secret shares: rows for exact results, counts for noised ones."""
