"""Read series as Prometheus does: label matchers, and functions of time windows."""
