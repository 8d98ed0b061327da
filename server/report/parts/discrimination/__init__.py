"""How well scores order patients: C-index, areas under ROC curves, models compared."""
