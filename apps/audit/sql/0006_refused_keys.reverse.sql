DROP FUNCTION api_key_refused(text);
