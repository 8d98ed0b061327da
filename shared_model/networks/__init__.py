"""The networks, their weights, and where they look."""
