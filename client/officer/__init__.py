"""Papers that a hospital hands to its own people: to the network team, and to the data-protection officer."""
