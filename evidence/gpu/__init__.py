"""The GPU check: `make gpu`, under nine minutes on one card."""
