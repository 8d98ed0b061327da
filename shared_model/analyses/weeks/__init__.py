"""Cox models of large cohorts on shared rows: risk sets by week, at a cost that grows with the patients and not with their pairs."""
