"""Payloads of commands: fields of each type, limits, JSON Schemas."""
