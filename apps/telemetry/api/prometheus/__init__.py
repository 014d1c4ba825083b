"""The query API of Prometheus, for Grafana."""
