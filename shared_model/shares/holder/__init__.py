"""One holder's part of a computation: rows it was dealt, masked and truncated openings, checks on the relay."""
