"""Thirty simulated days of a study: office hours, outages, hospitals that close, patients who withdraw, a lost disk."""
