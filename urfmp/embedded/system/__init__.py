"""Wrap the operating system: install paths, files and locks, ports, processes, output."""
