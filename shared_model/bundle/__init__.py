"""The model somebody can use: manifest, export, card, prediction."""
