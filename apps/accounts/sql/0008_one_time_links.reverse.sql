DROP FUNCTION link_credential(text);
ALTER TABLE one_time_links
    DROP CONSTRAINT fk_links_user,
    DROP CONSTRAINT fk_links_organization;
