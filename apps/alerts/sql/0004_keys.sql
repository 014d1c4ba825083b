-- An alert's key: the identity of its condition within a robot, or within the organization. A report
-- without one gets the key that services derive in derived_key().
CREATE FUNCTION alert_key(type text, source text, title text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'auto:' || left(encode(sha256(convert_to(
    concat(type, chr(31), source, chr(31), title), 'UTF8')), 'hex'), 32);

CREATE FUNCTION fill_alert_key() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.key := alert_key(NEW.type, NEW.source, NEW.title);
    RETURN NEW;
END;
$$;

CREATE TRIGGER fill_alert_key_trigger
    BEFORE INSERT ON alerts
    FOR EACH ROW WHEN (NEW.key IS NULL OR NEW.key = '') EXECUTE FUNCTION fill_alert_key();

-- Repeats of a report are not audited: the count and the time of the last one say enough.
DROP TRIGGER audit_row_trigger ON alerts;
UPDATE alerts
SET key = alert_key(type, source, title), last_seen_at = coalesce(created_at, now())
WHERE key = '';
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON alerts
    FOR EACH ROW EXECUTE FUNCTION
        audit_row('alerts.alert', 'organization_id', '{occurrences,last_seen_at}', '{}');

-- Of equal open alerts the first one stays open, with the count and the highest severity of all.
WITH ranked AS (
    SELECT id, first_value(id) OVER equal AS kept, count(*) OVER equal AS occurrences,
        max(created_at) OVER equal AS last_seen_at,
        max(array_position(ARRAY['info', 'warning', 'error', 'critical'], severity::text))
            OVER equal AS severity
    FROM alerts WHERE is_resolved IS FALSE
    WINDOW equal AS (PARTITION BY organization_id, robot_id, key ORDER BY created_at, id
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
UPDATE alerts AS a
SET is_resolved = a.id <> ranked.kept,
    resolved_at = CASE WHEN a.id <> ranked.kept THEN now() END,
    resolution = CASE WHEN a.id <> ranked.kept THEN 'Repeats an alert that is still open.' END,
    occurrences = CASE WHEN a.id <> ranked.kept THEN a.occurrences ELSE ranked.occurrences END,
    last_seen_at = CASE WHEN a.id <> ranked.kept THEN a.last_seen_at
        ELSE coalesce(ranked.last_seen_at, a.last_seen_at) END,
    severity = CASE WHEN a.id <> ranked.kept THEN a.severity
        ELSE (ARRAY['info', 'warning', 'error', 'critical'])[ranked.severity] END
FROM ranked
WHERE a.id = ranked.id AND ranked.occurrences > 1;
