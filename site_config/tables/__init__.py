"""cohort.csv and scans.csv: cells, columns, rows, faults."""
