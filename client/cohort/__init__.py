"""The prepared cohort: from a hospital's two tables and its scans to what every computation reads."""
