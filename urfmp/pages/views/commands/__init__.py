"""Pages that send commands and stop requests."""
