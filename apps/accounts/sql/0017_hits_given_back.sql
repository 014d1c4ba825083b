-- Take back one hit of each counter, because nothing came of it. Rows are taken in the order of
-- their names, as `rate_limit_take` does it. A window without a hit is none.
CREATE FUNCTION rate_limit_give_back(names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT FROM rate_limit_counters AS c WHERE c.name = ANY (names) ORDER BY c.name FOR UPDATE;
    UPDATE rate_limit_counters AS c SET hits = c.hits - 1 WHERE c.name = ANY (names);
    DELETE FROM rate_limit_counters AS c WHERE c.name = ANY (names) AND c.hits <= 0;
$$;

REVOKE ALL ON FUNCTION rate_limit_give_back(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rate_limit_give_back(text[]) TO urfmp_app;
