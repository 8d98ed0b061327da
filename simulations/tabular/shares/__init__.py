"""Analyses of anybody's table as a study on secret shares does them: holders in this process, or their plain twin."""
