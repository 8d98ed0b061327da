"""Simulated patients: who they are, their scans, their hospitals."""
