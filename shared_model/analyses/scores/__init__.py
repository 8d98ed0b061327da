"""Analyses of scores: their cut-off, and how well they tell who dies until a horizon."""
