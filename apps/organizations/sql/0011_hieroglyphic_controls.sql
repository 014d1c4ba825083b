-- Hieroglyphic format controls and a filler cannot be seen either, as urfmp/common/db/names.py says.

CREATE OR REPLACE FUNCTION is_visible_text(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN value !~ '[\u0001-\u001F\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180E\u2000-\u200B\u200E\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U00013430-\U0001345F\U00016FE4\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E00FF\U000E01F0-\U000E0FFF\U000F0000-\U0010FFFF]'
    AND value ~ '[^ \u180B-\u180D\u180F\u200C\u200D\uFE00-\uFE0F\U000E0100-\U000E01EF]'
    AND value !~ '^ | $|  ';

CREATE OR REPLACE FUNCTION to_visible_text(value text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN nullif(btrim(left(btrim(regexp_replace(regexp_replace(value,
    '[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164\uE000-\uF8FF\uFDD0-\uFDEF\uFEFF\uFFA0\uFFF0-\uFFFB\uFFFE\uFFFF\U00013430-\U0001345F\U00016FE4\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E00FF\U000E01F0-\U000E0FFF\U000F0000-\U0010FFFF]', '', 'g'),
    '[\u0001-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+', ' ', 'g')), max_length)), '');

-- Stored names keep a visible mark in their place, so that different ones stay different.
CREATE FUNCTION mark_hieroglyphic_controls(value text, max_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
RETURN rtrim(left((
    SELECT string_agg(
        CASE WHEN part ~ '[\U00013430-\U0001345F\U00016FE4]'
            THEN '_' || to_hex(ascii(part)) || '_' ELSE part END, '' ORDER BY n)
    FROM regexp_split_to_table(value, '') WITH ORDINALITY AS parts (part, n)
), max_length));

DO $$
DECLARE
    checked record;
BEGIN
    -- All columns of a row together: each update checks all of them.
    FOR checked IN
        SELECT c.conrelid::regclass AS table_name,
            string_agg(
                format(
                    '%1$I = CASE WHEN %1$I ~ %2$L THEN mark_hieroglyphic_controls(%1$I, %3$s)'
                    ' ELSE %1$I END',
                    a.attname, '[\U00013430-\U0001345F\U00016FE4]',
                    coalesce(nullif(a.atttypmod, -1) - 4, 10000)
                ), ', ') AS changes,
            string_agg(
                format('%I ~ %L', a.attname, '[\U00013430-\U0001345F\U00016FE4]'), ' OR '
            ) AS condition
        FROM pg_constraint AS c
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'c' AND c.conname LIKE '%\_form\_check'
            AND c.connamespace = 'public'::regnamespace AND array_length(c.conkey, 1) = 1
        GROUP BY c.conrelid
    LOOP
        EXECUTE format(
            'UPDATE %s SET %s WHERE %s', checked.table_name, checked.changes, checked.condition
        );
    END LOOP;
END
$$;

DROP FUNCTION mark_hieroglyphic_controls(text, integer);
