"""Requests with API keys, and their rows."""

from __future__ import annotations

from django.test import Client

from apps.accounts.models import ApiKey


def get_with_key(key, address="127.0.0.1"):
    return Client(REMOTE_ADDR=address).get("/api/v1/robots", headers={"x-api-key": key})


def key_row(key, organization, tenant):
    with tenant(organization):
        return ApiKey.objects.get(key_prefix=key[11:21])
