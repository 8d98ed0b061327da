"""Pieces of evidence on what comes out: models, fits, images."""
