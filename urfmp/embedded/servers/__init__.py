"""Configure, start and stop one checkout's PostgreSQL and Redis servers."""
