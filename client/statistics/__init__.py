"""What each named statistic computes from a hospital's patients."""
