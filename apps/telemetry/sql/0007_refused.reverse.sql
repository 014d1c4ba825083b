DROP FUNCTION telemetry_refused(uuid[], uuid[], text[], text, uuid[], text[]);
