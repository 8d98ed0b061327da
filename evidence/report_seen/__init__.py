"""Finished reports and the live page in a browser, and Word files in LibreOffice, for a person to look at."""
