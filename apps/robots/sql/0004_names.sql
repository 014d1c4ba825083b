UPDATE robots
SET name = coalesce(to_name(name, 255), 'Robot ' || left(id::text, 8)),
    vendor = coalesce(to_identifier(vendor, 50), 'custom'),
    model = to_identifier(model, 100),
    firmware_version = to_identifier(firmware_version, 50)
WHERE NOT is_name(name) OR NOT is_identifier(vendor) OR NOT is_identifier(model)
    OR NOT is_identifier(firmware_version);

-- Serial numbers that become equal: the row whose number was in order, else the oldest, keeps it.
-- The others get a suffix, so that no robot is lost.
UPDATE robots AS r
SET serial_number = CASE WHEN fresh.place = 1 THEN fresh.serial_number
    ELSE left(fresh.serial_number, 90) || '~' || left(r.id::text, 8) END
FROM (
    SELECT id, serial_number, row_number() OVER (
        PARTITION BY organization_id, serial_number ORDER BY is_kept DESC, created_at, id) AS place
    FROM (
        SELECT id, organization_id, created_at, is_identifier(serial_number) AS is_kept,
            to_identifier(serial_number, 100) AS serial_number
        FROM robots WHERE serial_number IS NOT NULL
    ) AS normal
) AS fresh
WHERE r.id = fresh.id AND NOT is_identifier(r.serial_number);

UPDATE robots
SET location = location
    || CASE WHEN location ->> 'area' IS NULL THEN '{}'
        ELSE jsonb_build_object('area', to_name(location ->> 'area', 255)) END
    || CASE WHEN location ->> 'cell' IS NULL THEN '{}'
        ELSE jsonb_build_object('cell', to_name(location ->> 'cell', 255)) END
WHERE NOT is_name(nullif(location ->> 'area', '')) OR NOT is_name(nullif(location ->> 'cell', ''));
