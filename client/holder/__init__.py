"""Where this hospital holds secret shares of a study's rows: its part of every computation, in memory, and what it opened."""
