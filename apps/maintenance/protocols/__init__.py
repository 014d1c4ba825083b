"""Wire formats of maintenance."""
