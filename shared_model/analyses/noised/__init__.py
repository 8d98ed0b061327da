"""Results under differential privacy: counts noised inside the shares, and curves computed from them."""
