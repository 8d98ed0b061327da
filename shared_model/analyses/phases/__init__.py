"""What each phase of a study computes on shared rows: whose rows, what a slot holds, which results, and the circuit."""
