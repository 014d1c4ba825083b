-- One rule for names and identifiers; urfmp/common/db/names.py explains it and checks more.

-- No control characters, none that cannot be seen, no blank but the space, and those only one at a
-- time between others. Joiners and variation selectors alone are not visible.
CREATE FUNCTION is_visible_text(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN value !~ '[\u0001-\u001F\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180E\u2000-\u200B\u200E\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E00FF\U000E01F0-\U000E0FFF\U000F0000-\U0010FFFF]'
    AND value ~ '[^ \u180B-\u180D\u180F\u200C\u200D\uFE00-\uFE0F\U000E0100-\U000E01EF]'
    AND value !~ '^ | $|  ';

-- A name that users read, in NFC.
CREATE FUNCTION is_name(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN value IS NFC NORMALIZED AND public.is_visible_text(value);

-- An identifier that users and machines compare, in NFKC and without joiners.
CREATE FUNCTION is_identifier(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN value IS NFKC NORMALIZED
    AND value !~ '[\u180B-\u180D\u180F\u200C\u200D\uFE00-\uFE0F\U000E0100-\U000E01EF]'
    AND public.is_visible_text(value);

-- A stored text as a name or identifier: control characters become spaces, invisible ones vanish.
-- The result is NULL if nothing is left.
CREATE FUNCTION to_visible_text(value text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN nullif(btrim(left(btrim(regexp_replace(regexp_replace(value,
    '[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E00FF\U000E01F0-\U000E0FFF\U000F0000-\U0010FFFF]', '', 'g'),
    '[\u0001-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+', ' ', 'g')), max_length)), '');

CREATE FUNCTION to_name(value text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN public.is_name(value) THEN value
    WHEN public.is_name(public.to_visible_text(normalize(value, NFC), max_length))
    THEN public.to_visible_text(normalize(value, NFC), max_length) END;

CREATE FUNCTION to_identifier(value text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN public.is_identifier(value) THEN value
    WHEN public.is_identifier(public.to_visible_text(regexp_replace(normalize(value, NFKC),
        '[\u180B-\u180D\u180F\u200C\u200D\uFE00-\uFE0F\U000E0100-\U000E01EF]', '', 'g'), max_length))
    THEN public.to_visible_text(regexp_replace(normalize(value, NFKC),
        '[\u180B-\u180D\u180F\u200C\u200D\uFE00-\uFE0F\U000E0100-\U000E01EF]', '', 'g'), max_length) END;

UPDATE organizations
SET name = coalesce(to_name(name, 255), 'Organization ' || left(id::text, 8))
WHERE is_name(name) IS NOT TRUE;

-- Of names that become equal, the oldest row keeps it; the robots of a facility follow by trigger.
UPDATE facilities AS f
SET name = CASE WHEN fresh.place = 1 THEN fresh.name
    ELSE left(fresh.name, 240) || ' (' || left(f.id::text, 8) || ')' END
FROM (
    SELECT id, name, row_number() OVER (
        PARTITION BY organization_id, name ORDER BY is_kept DESC, created_at, id) AS place
    FROM (
        SELECT id, organization_id, created_at, is_name(name) AS is_kept,
            coalesce(to_name(name, 255), 'Facility ' || left(id::text, 8)) AS name
        FROM facilities
    ) AS normal
) AS fresh
WHERE f.id = fresh.id AND (is_name(f.name) IS NOT TRUE OR fresh.place > 1);
