"""What a hospital really sends: recorded behind TLS, searched for planted strings, compared between two cohorts."""
