"""A whole study on one machine."""
