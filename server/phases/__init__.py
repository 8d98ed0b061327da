"""The phases of a study, each with its mathematics."""
