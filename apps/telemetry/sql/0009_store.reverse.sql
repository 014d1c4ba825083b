DROP FUNCTION telemetry_store(
    uuid[], uuid[], text[], text, uuid[], text[], uuid[], text[], text[], integer[], bigint[],
    double precision[], jsonb);
