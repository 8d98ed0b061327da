"""The fitted models: clinical model, nomogram, importance, calibration."""
