"""Files of robots: CSV, XLSX and JSON, with one set of columns."""
