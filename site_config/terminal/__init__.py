"""What a terminal's screen says of commands and folders."""
