"""`make bench`: what the product does, beside a yardstick measured in the same run."""
