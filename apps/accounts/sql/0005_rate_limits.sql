-- Counters for the time in which Redis is unavailable. Unlogged, because a request must not wait
-- for the disk to count a hit; after a crash, all windows restart.
CREATE UNLOGGED TABLE rate_limit_counters (
    name text PRIMARY KEY,
    ends_at timestamptz NOT NULL,
    hits integer NOT NULL
);
CREATE INDEX idx_rate_limit_ends ON rate_limit_counters (ends_at);
REVOKE ALL ON rate_limit_counters FROM urfmp_app;

-- Counts a hit in every counter, or in none if one of them is full. Rows are locked in the order of
-- their names, which prevents deadlocks, and until the caller commits, so that a hit that is undone
-- is never visible. The clock is read after the row is locked.
CREATE FUNCTION rate_limit_take(names text[], limits integer[], seconds integer[])
RETURNS TABLE (admitted boolean, hits integer, seconds_left double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked record;
    counted rate_limit_counters;
    is_free boolean := true;
BEGIN
    FOR asked IN
        SELECT * FROM unnest(names, limits, seconds) AS a (name, most, length) ORDER BY a.name
    LOOP
        INSERT INTO rate_limit_counters AS c (name, ends_at, hits)
        VALUES (asked.name, clock_timestamp() + make_interval(secs => asked.length), 1)
        ON CONFLICT (name) DO UPDATE SET (ends_at, hits) = (
            SELECT CASE WHEN c.ends_at > clock.now THEN c.ends_at
                        ELSE clock.now + make_interval(secs => asked.length) END,
                   CASE WHEN c.ends_at > clock.now THEN c.hits + 1 ELSE 1 END
            FROM (SELECT clock_timestamp() AS now OFFSET 0) AS clock)
        RETURNING * INTO counted;
        is_free := is_free AND counted.hits <= asked.most;
    END LOOP;
    IF NOT is_free THEN
        UPDATE rate_limit_counters AS c SET hits = c.hits - 1 WHERE c.name = ANY (names);
        -- A hit that is not counted does not start a window.
        DELETE FROM rate_limit_counters AS c WHERE c.name = ANY (names) AND c.hits <= 0;
    END IF;
    RETURN QUERY
        SELECT is_free, coalesce(c.hits, 0),
               coalesce(extract(epoch FROM c.ends_at - clock_timestamp()), a.length)
                   ::double precision
        FROM unnest(names, limits, seconds) WITH ORDINALITY AS a (name, most, length, place)
        LEFT JOIN rate_limit_counters c ON c.name = a.name
        ORDER BY a.place;
END;
$$;

CREATE FUNCTION rate_limit_clean_up() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH gone AS (DELETE FROM rate_limit_counters WHERE ends_at < now() RETURNING 1)
    SELECT count(*) FROM gone;
$$;

REVOKE ALL ON FUNCTION rate_limit_take(text[], integer[], integer[]), rate_limit_clean_up()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rate_limit_take(text[], integer[], integer[]), rate_limit_clean_up()
    TO urfmp_app;

-- The look-up of each request also returns the key's rate limit.
DROP FUNCTION api_key_credential(text);
CREATE FUNCTION api_key_credential(key_digest text)
RETURNS TABLE (
    id uuid, organization_id uuid, robot_id uuid, permissions text[], rate_limit integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.organization_id, k.robot_id, k.permissions, k.rate_limit
    FROM api_keys k
    JOIN organizations o ON o.id = k.organization_id AND o.is_active
    LEFT JOIN robots r ON r.id = k.robot_id
    WHERE k.key_hash = key_digest
      AND k.is_active
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.robot_id IS NULL OR r.is_active);
$$;
REVOKE ALL ON FUNCTION api_key_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_credential(text) TO urfmp_app;
