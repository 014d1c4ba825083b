"""Find executables on the system or fetch Debian's into the cache."""
