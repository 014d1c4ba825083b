"""Measure the product beside yardsticks of the same run (`make bench`)."""
