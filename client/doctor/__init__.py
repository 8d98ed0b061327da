"""`fedhcc-site doctor`: every question about this hospital's machine, line, keys, data and study, and a rehearsal."""
