UPDATE users
SET first_name = to_name(first_name, 100), last_name = to_name(last_name, 100)
WHERE NOT is_name(first_name) OR NOT is_name(last_name);

UPDATE api_keys
SET name = coalesce(to_name(name, 255), key_prefix)
WHERE NOT is_name(name);
