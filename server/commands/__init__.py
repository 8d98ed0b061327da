"""Sub-commands of fedhcc-coordinator."""
