"""From a volume and its masks to the few slices a network sees."""
