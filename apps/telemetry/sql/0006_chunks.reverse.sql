-- Existing chunks keep their length and compression.
DROP FUNCTION compression_apply();
DROP FUNCTION chunk_interval_set(interval, jsonb);
DROP FUNCTION chunk_measure();
DROP FUNCTION chunk_make_next();
DROP FUNCTION chunk_tables();
