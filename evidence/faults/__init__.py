"""Faults inflicted on a real federation on this machine, and what becomes of the study."""
