"""Commands that join `fedhcc-sim` where the evidence package is installed."""
