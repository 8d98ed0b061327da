"""Sub-commands of fedhcc-site."""
