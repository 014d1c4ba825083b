"""Recordings of robots as CSV files.

`text` reads rows, `detection` proposes a `RecordingFormat` (`formats`), `columns` knows the columns
of common recorders, and `points` turns rows into telemetry points, cell by cell (`times`,
`values`).
"""
