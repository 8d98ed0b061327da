"""What runs in the hospital."""
