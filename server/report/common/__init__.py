"""What several parts of the report share: kinds of numbers, score tables, Cox tables, survival curves, the look of figures."""
