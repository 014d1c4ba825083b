DROP FUNCTION telemetry_points_replace(uuid, text, timestamptz[], double precision[], text);
DROP FUNCTION telemetry_points_delete(uuid, text, timestamptz, timestamptz, text);
DROP FUNCTION telemetry_correction_record(
    text, uuid, uuid, text, jsonb, timestamptz[], double precision[], text[], double precision[]);
DROP FUNCTION telemetry_correction_lock(uuid, text);
