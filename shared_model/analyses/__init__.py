"""What a study computes on shared rows: one file an analysis, with what a hospital contributes and what may be revealed."""
