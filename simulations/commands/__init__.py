"""Sub-commands of fedhcc-sim."""
