"""Risk groups: distribution of the score, Kaplan-Meier by group, RECIST, scanners."""
