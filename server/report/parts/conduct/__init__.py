"""How the study was done: truth of a simulation, training, participation, what left, privacy, limits."""
