"""The outcome of anybody's table: which rows had the event."""
