"""The phases of a study of resolution `shares`: what is asked of the holders, and the documents of what they opened."""
