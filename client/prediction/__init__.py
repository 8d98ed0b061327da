"""A bundle's prediction for a patient of this hospital; nothing of it leaves."""
