"""Room for differential privacy."""
