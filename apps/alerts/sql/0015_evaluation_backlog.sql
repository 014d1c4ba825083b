-- Seconds for which the oldest new points wait for the evaluation of rules, in any organization.
CREATE FUNCTION rule_evaluation_backlog() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(created_at))), 0)::double precision
    FROM telemetry_batches
    WHERE evaluated_at IS NULL
$$;

-- Functions that read all organizations are for the run-time role alone.
REVOKE ALL ON FUNCTION rule_evaluation_backlog() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rule_evaluation_backlog() TO urfmp_app;
