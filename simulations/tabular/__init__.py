"""Survival analysis of anybody's table, site by site."""
