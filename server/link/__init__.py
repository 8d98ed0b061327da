"""Everything between the trial office and the hospitals: Flower, its SuperLink, gateway and certificates."""
