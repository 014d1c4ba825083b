from __future__ import annotations

MAX_METRICS, MAX_ROBOTS, MAX_SERIES = 20, 100, 200
