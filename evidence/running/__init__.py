"""Pieces of evidence on what running costs and whether engines agree."""
