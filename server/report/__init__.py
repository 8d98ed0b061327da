"""The report: a finished study's opened sums as one self-contained page and one machine-readable file."""
