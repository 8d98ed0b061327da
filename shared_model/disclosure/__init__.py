"""How fine what a study opens may be, and how many patients must stand behind it: every limit once, with its reason."""
