"""Does federation cost accuracy? Methods compared on the same cohorts."""
