"""A fleet to look at: its definition, its past week, and what loads it into the database."""
