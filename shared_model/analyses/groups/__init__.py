"""Results by groups of patients: curves, tests, calibration, Table 1, hazards."""
