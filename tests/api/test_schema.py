from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

# Not for programs: the document itself, its page, and what the live process answers.
NOT_LISTED = {"/api/v1/schema", "/api/v1/docs", "/api/v1/events"}


@pytest.fixture(scope="module")
def document(django_db_setup):
    out = StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out
    )
    return json.loads(out.getvalue())


def routes(resolver=None, before="/"):
    for pattern in (resolver or get_resolver()).url_patterns:
        path = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, path)
        else:
            yield path


def plain(path):
    """Write a route as the document does, parameters without their names."""
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "{}", path)
    path = re.sub(r"<[^>]+>|\{[^}]*\}", "{}", path)
    return path.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\.", ".")


def test_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")


def test_lists_every_route(document):
    api = {plain(route) for route in routes() if route.startswith(("/api/", "/write"))}
    assert {plain(path) for path in document["paths"]} == api - NOT_LISTED


def test_operations_have_names_of_their_own_and_security(document):
    operations = [o for path in document["paths"].values() for o in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["security"] for operation in operations)


def test_lists_describe_their_parameters(document):
    parameters = document["paths"]["/api/v1/robots"]["get"]["parameters"]
    by_name = {parameter["name"]: parameter for parameter in parameters}
    assert {"cursor", "page_size", "ordering", "status", "is_active"} <= set(by_name)
    assert by_name["is_active"]["schema"]["type"] == "boolean"
    assert "-last_seen" in by_name["ordering"]["schema"]["enum"]


def test_served_to_whoever_is_signed_in(alice, sign_in, organization_a, make_key):
    answer = sign_in(alice).get("/api/v1/schema")
    assert answer.status_code == 200
    assert b"openapi" in answer.content
    key = make_key(organization_a, ["robots:read"])
    assert Client().get("/api/v1/schema", headers={"x-api-key": key}).status_code == 200
    assert Client().get("/api/v1/schema").status_code in {401, 403}


def test_docs_page_opens_without_foreign_scripts(alice, sign_in):
    answer = sign_in(alice).get("/api/v1/docs", headers={"accept": "text/html"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "swagger" in page.lower()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert Client().get("/api/v1/docs").status_code in {401, 403}
