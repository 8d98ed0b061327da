"""The secure sum over a roster and the messages that carry it."""
