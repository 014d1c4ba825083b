DROP FUNCTION retention_apply();
DROP FUNCTION retention_due();
DROP FUNCTION retention_period(text);
DROP FUNCTION timescaledb_edition();
