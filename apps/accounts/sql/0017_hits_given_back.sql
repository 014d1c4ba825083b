-- Undoes one hit of each counter. Rows are locked in the order of their names, as in
-- `rate_limit_take`. A window without hits is deleted.
CREATE FUNCTION rate_limit_give_back(names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT FROM rate_limit_counters AS c WHERE c.name = ANY (names) ORDER BY c.name FOR UPDATE;
    UPDATE rate_limit_counters AS c SET hits = c.hits - 1 WHERE c.name = ANY (names);
    DELETE FROM rate_limit_counters AS c WHERE c.name = ANY (names) AND c.hits <= 0;
$$;

REVOKE ALL ON FUNCTION rate_limit_give_back(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rate_limit_give_back(text[]) TO urfmp_app;
