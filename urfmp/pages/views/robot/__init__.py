"""Pages of one robot: its tabs, and what users do from them."""
