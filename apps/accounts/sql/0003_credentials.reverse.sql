DROP FUNCTION organization_ids();
DROP FUNCTION user_organization(text);
DROP FUNCTION ended_credentials(text[]);
DROP FUNCTION api_key_credential(text);
DROP FUNCTION session_credential(text);
