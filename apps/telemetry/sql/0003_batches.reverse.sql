DROP FUNCTION telemetry_batches_clean_up();
DROP FUNCTION telemetry_batch_organizations();
DROP POLICY tenant ON telemetry_batches;
ALTER TABLE telemetry_batches DISABLE ROW LEVEL SECURITY;
