"""What a curious coordinator would try."""
