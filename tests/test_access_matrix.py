"""Every route and every admin page, against everybody.

The rows come from the URL resolver and from the admin's registry: one that is not listed here
fails the first test.
"""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.permissions.roles import SCOPES
from tests.support.access_matrix import (
    ADMIN_PAGES,
    ADMIN_PLAIN,
    API,
    ELSEWHERE,
    KEYS,
    OUTSIDE,
    PEOPLE,
)
from tests.support.sample_data import MARK, RESOURCE, address, model_pages, routes

MODEL_PAGE = re.compile(r"admin:(\w+?)_(\w+)_(changelist|add|change|delete|history|act|export)")


def test_every_route_is_in_the_matrix():
    listed = {f"api:{name}" for name, _ in API} | ELSEWHERE | set(ADMIN_PAGES) | ADMIN_PLAIN
    listed |= OUTSIDE
    models = {(m._meta.app_label, m._meta.model_name) for m in admin.site._registry}
    for name in set(routes()):
        found = MODEL_PAGE.fullmatch(name)
        assert name in listed or (found and found.groups()[:2] in models), name


def test_every_row_is_a_route():
    names = set(routes())
    assert {f"api:{name}" for name, _ in API} | set(ADMIN_PAGES) <= names


@pytest.fixture
def caller(organization_a, ids, root, make_user, make_key, sign_in, inside):
    """Return a function from a caller's name to a client of organization A."""

    def get(name):
        if name == "anonymous":
            return Client()
        if name == "super_admin":
            client = sign_in(root)
            body = {"organization": str(organization_a.pk)}
            client.post(reverse("api:auth-choose-organization"), body, "application/json")
            return client
        if name in PEOPLE:
            return sign_in(make_user(organization_a, name))
        scopes = {
            "read_key": [scope for scope in SCOPES if scope.endswith(":read")],
            "write_key": [scope for scope in SCOPES if scope.endswith((":write", ":command"))],
            "device_key": ["telemetry:write"],
        }[name]
        robot = None
        if name == "device_key":
            from apps.robots.models import Robot

            with inside(organization_a):
                robot = Robot.objects.get(pk=ids["robot"])
        key = make_key(organization_a, scopes, robot=robot)
        return Client(headers={"x-api-key": key})

    return get


def may(who, allowed):
    """Tell whether somebody is let in; a super admin is where an admin is."""
    return who in allowed or (who == "super_admin" and "admin" in allowed)


@pytest.mark.parametrize("who", ["anonymous", *PEOPLE, *KEYS])
def test_api(who, caller, ids):
    client = caller(who)
    surprises = []
    for (route, method), allowed in API.items():
        answer = getattr(client, method)(
            address(route, ids), **({} if method == "get" else {"content_type": "application/json"})
        )
        if who == "anonymous":
            right = answer.status_code == 401
        elif may(who, allowed):
            right = answer.status_code not in {401, 403, 404, 405} and answer.status_code < 500
            # A key makes no keys.
            right |= (route, method, who) == ("api-key-list", "post", "write_key")
        else:
            # A device key is let through to lists of nothing, never to a row.
            right = answer.status_code == 403
        if not right:
            surprises.append((route, method, answer.status_code, answer.content[:120]))
    assert not surprises


@pytest.mark.parametrize("who", ["anonymous", *PEOPLE])
def test_admin_pages(who, caller, ids):
    client = caller(who)
    surprises = []
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
                right = answer.status_code == 302 and "/login/" in answer["location"]
            else:
                user_may = answer.wsgi_request.user.has_perm(
                    f"{opts.app_label}.{action}_{opts.model_name}"
                )
                right = answer.status_code == (200 if user_may else 403)
            if not right:
                surprises.append((path, answer.status_code))
    for name, allowed in ADMIN_PAGES.items():
        args = [ids["robot"]] if name == "admin:robot_page" else []
        answer = client.get(reverse(name, args=args))
        expected = 302 if who == "anonymous" else 200 if may(who, allowed) else 403
        if answer.status_code != expected:
            surprises.append((name, answer.status_code))
    for name in OUTSIDE:
        answer = client.get(reverse(name))
        expected = 302 if name == "admin:sign_in_code" else 200  # back to the password
        if answer.status_code != expected or MARK in answer.content.decode():
            surprises.append((name, answer.status_code))
    assert not surprises
