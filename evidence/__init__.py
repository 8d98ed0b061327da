"""Long comparisons, faults, attacks and benchmarks; each writes one file of docs/evidence."""
