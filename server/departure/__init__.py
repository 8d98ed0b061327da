"""A study that goes on without some of its hospitals or patients."""
