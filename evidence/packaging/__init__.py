"""What is installed from a wheel, tried in environments of its own."""
