"""The numbers shares are made of: residues, Shamir sharing, randomness that holders have in common."""
