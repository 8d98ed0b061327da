"""One summed model update from a hospital's patients."""
