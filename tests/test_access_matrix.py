"""Every route and admin page with every kind of caller.

Routes come from the URL resolver and the admin's registry. A route that is not listed fails the
first test.
"""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.permissions.roles import SCOPES
from tests.support.access_matrix import (
    ADMIN_PAGE_IDS,
    ADMIN_PAGES,
    API,
    COVERED_ELSEWHERE,
    DJANGO_ADMIN_PAGES,
    KEYS,
    PUBLIC_PAGES,
    ROLES,
)
from tests.support.sample_data import MARK, RESOURCE, address, model_pages, routes

MODEL_PAGE = re.compile(r"admin:(\w+?)_(\w+)_(changelist|add|change|delete|history|act|export)")


def test_every_route_is_in_the_matrix():
    listed = (
        {f"api:{name}" for name, _ in API}
        | COVERED_ELSEWHERE
        | set(ADMIN_PAGES)
        | DJANGO_ADMIN_PAGES
    )
    listed |= PUBLIC_PAGES
    models = {(m._meta.app_label, m._meta.model_name) for m in admin.site._registry}
    for name in set(routes()):
        found = MODEL_PAGE.fullmatch(name)
        assert name in listed or (found and found.groups()[:2] in models), name


def test_every_matrix_row_is_a_route():
    names = set(routes())
    assert {f"api:{name}" for name, _ in API} | set(ADMIN_PAGES) <= names


@pytest.fixture
def caller(organization_a, ids, root, make_user, make_key, client_for, tenant):
    """Return a function from a caller's name to a client of organization A."""

    def get(name):
        if name == "anonymous":
            return Client()
        if name == "super_admin":
            client = client_for(root)
            body = {"organization": str(organization_a.pk)}
            client.post(reverse("api:auth-choose-organization"), body, "application/json")
            return client
        if name in ROLES:
            return client_for(make_user(organization_a, name))
        scopes = {
            "read_key": [scope for scope in SCOPES if scope.endswith(":read")],
            "write_key": [scope for scope in SCOPES if scope.endswith((":write", ":command"))],
            "device_key": ["telemetry:write", "commands:write"],
        }[name]
        robot = None
        if name == "device_key":
            from apps.robots.models import Robot

            with tenant(organization_a):
                robot = Robot.objects.get(pk=ids["robot"])
        key = make_key(organization_a, scopes, robot=robot)
        return Client(headers={"x-api-key": key})

    return get


def may(who, allowed):
    """Return whether a caller is allowed; a super admin is wherever an admin is."""
    return who in allowed or (who == "super_admin" and "admin" in allowed)


@pytest.mark.parametrize("who", ["anonymous", *ROLES, *KEYS])
def test_api_access(who, caller, ids):
    client = caller(who)
    mismatches = []
    for (route, method), allowed in API.items():
        answer = getattr(client, method)(
            address(route, ids), **({} if method == "get" else {"content_type": "application/json"})
        )
        if answer.streaming:  # its transaction ends with the file
            b"".join(answer.streaming_content)
        if who == "anonymous":
            is_expected = answer.status_code == 401
        elif may(who, allowed):
            is_expected = (
                answer.status_code not in {401, 403, 404, 405} and answer.status_code < 500
            )
            # An API key cannot create API keys.
            is_expected |= (route, method, who) == ("api-key-list", "post", "write_key")
        else:
            # A device key may get lists of nothing, never a row.
            is_expected = answer.status_code == 403
        if not is_expected:
            mismatches.append((route, method, answer.status_code, answer.reason_phrase))
    assert not mismatches


@pytest.mark.parametrize("who", ["anonymous", *ROLES])
def test_admin_page_access(who, caller, ids):
    client = caller(who)
    mismatches = []
    for model, prefix in model_pages():
        opts = model._meta
        pages = {"changelist": ("view", reverse(f"{prefix}_changelist"))}
        if opts.model_name in RESOURCE:
            pk = ids[RESOURCE[opts.model_name]]
            pages["change"] = ("view", reverse(f"{prefix}_change", args=[pk]))
            pages["history"] = ("view", reverse(f"{prefix}_history", args=[pk]))
        for action, path in pages.values():
            answer = client.get(path)
            if who == "anonymous":
                is_expected = answer.status_code == 302 and "/login/" in answer["location"]
            else:
                user_may = answer.wsgi_request.user.has_perm(
                    f"{opts.app_label}.{action}_{opts.model_name}"
                )
                is_expected = answer.status_code == (200 if user_may else 403)
            if not is_expected:
                mismatches.append((path, answer.status_code))
    for name, allowed in ADMIN_PAGES.items():
        args = [ids[ADMIN_PAGE_IDS[name]]] if name in ADMIN_PAGE_IDS else []
        answer = client.get(reverse(name, args=args))
        expected = 302 if who == "anonymous" else 200 if may(who, allowed) else 403
        if answer.status_code != expected:
            mismatches.append((name, answer.status_code))
    for name in PUBLIC_PAGES:
        answer = client.get(reverse(name))
        expected = 302 if name == "admin:sign_in_code" else 200  # back to the password
        if answer.status_code != expected or MARK in answer.content.decode():
            mismatches.append((name, answer.status_code))
    assert not mismatches
