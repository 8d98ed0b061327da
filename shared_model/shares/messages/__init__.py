"""What travels between hospitals, holders and the relay: sealed, signed, of known length."""
