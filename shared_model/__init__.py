"""The mathematics both sides agree on; free of effects."""
