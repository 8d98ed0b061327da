"""Ways to carry messages on one machine."""
