"""How a circuit is written, once: secret values, their arithmetic, and plain numbers in its place."""
