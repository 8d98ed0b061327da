"""What differential privacy costs, measured."""
