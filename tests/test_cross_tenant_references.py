"""Ids of another organization in bodies, parameters and admin forms.

The places come from the OpenAPI document and the admin's forms, so new routes and forms are tested
automatically. The response to a foreign id must equal the response to an unknown one.
"""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django import forms
from django.contrib import admin

from tests.support.api_contract import api_document
from tests.support.sample_data import MARK

JSON = "application/json"
METHODS = {"get", "post", "patch", "delete"}


def is_id(schema):
    """Return whether a value, or an item of a list, is an id."""
    return '"format": "uuid"' in json.dumps(schema)


def operations():
    document = api_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield document, path, method, operation


def body_properties(document, operation):
    content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    schema = content.get("schema", {})
    if reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return schema.get("properties", {})


def normalized(answer, foreign):
    """Return a response without the parts that differ between any two requests."""
    text = answer.content.decode().replace(foreign, "ID")
    return answer.status_code, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[^\"]+", "", text)


@pytest.fixture
def own(organization_b, make_everything, ids):
    """Rows of organization B; `ids` has the rows of A."""
    return make_everything(organization_b, "own")


@pytest.fixture
def client(charlie, client_for):
    return client_for(charlie)


def filled_in(path, own):
    """Return the URL of organization B's own row."""
    if "{" not in path:
        return path
    resource = path.removeprefix("/api/v1/").split("/")[0]
    row = own.get(resource.removesuffix("s")) or own.get(resource.removesuffix("ies") + "y")
    return re.sub(r"\{\w+\}", str(row), path)


COVERED_ELSEWHERE = {
    "/api/v1/auth/choose-organization",  # without a row; tests/organizations
    "/api/v1/telemetry",  # API keys only; tests/test_cross_tenant_access.py
}
# Ids joined by commas.
JOINED = {"robots"}
BODIES = [
    (path, method, name)
    for document, path, method, operation in operations()
    if method in {"post", "patch"} and path not in COVERED_ELSEWHERE
    for name, schema in body_properties(document, operation).items()
    if is_id(schema)
]
PARAMETERS = [
    (path, parameter["name"])
    for _, path, method, operation in operations()
    if method == "get" and path != "/api/v1/events"  # a stream: tests/live
    for parameter in operation.get("parameters", ())
    if parameter["in"] == "query" and (is_id(parameter["schema"]) or parameter["name"] in JOINED)
]


def test_document_has_id_fields_and_parameters():
    assert {name for _, _, name in BODIES} >= {"robot", "assigned_to"}
    assert {name for _, name in PARAMETERS} >= {"robot", "robots", "user", "assigned_to"}


@pytest.mark.parametrize(("path", "method", "name"), BODIES)
def test_foreign_id_in_body_is_like_unknown(path, method, name, ids, own, client):
    foreign = {str(value) for value in ids.values()}
    unknown = str(uuid.uuid4())
    send = getattr(client, method)
    missing = normalized(send(filled_in(path, own), {name: unknown}, JSON), unknown)
    assert missing[0] in {400, 404}
    for value in foreign:
        assert normalized(send(filled_in(path, own), {name: value}, JSON), value) == missing


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_foreign_id_in_parameter_is_like_unknown(path, name, ids, own, client):
    unknown = str(uuid.uuid4())
    times = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"}
    known = {p["name"] for _, at, m, o in operations() if (at, m) == (path, "get")
             for p in o.get("parameters", ()) if p["in"] == "query"}  # fmt: skip
    asked = {key: value for key, value in times.items() if key in known}
    if "metrics" in known:
        asked["metrics"] = f"m.{MARK.replace('-', '_')}"

    def get(value):
        answer = client.get(filled_in(path, own), {**asked, name: value})
        if answer.streaming:
            return answer.status_code, b"".join(answer.streaming_content)
        return normalized(answer, value)

    missing = get(unknown)
    for value in map(str, ids.values()):
        found = get(value)
        assert found == missing
        assert MARK not in str(found)


def admin_forms():
    for model, model_admin in admin.site._registry.items():
        if model.__module__.startswith("apps."):
            yield model, model_admin


@pytest.mark.parametrize("model", [model for model, _ in admin_forms()], ids=lambda m: m.__name__)
def test_foreign_id_in_admin_form_is_rejected(model, ids, own, charlie, rf, tenant, organization_b):
    """A form field neither offers nor accepts a row of another organization."""
    model_admin = admin.site.get_model_admin(model)
    request = rf.get("/")
    request.user = charlie
    with tenant(organization_b):
        if not (
            model_admin.has_add_permission(request) or model_admin.has_change_permission(request)
        ):
            pytest.skip("The form is not available.")
        form = model_admin.get_form(request)()
        for name, field in form.fields.items():
            if not isinstance(field, forms.ModelChoiceField):
                continue
            for value in map(str, ids.values()):
                with pytest.raises(forms.ValidationError):
                    field.clean(value)
                assert name
        actions = [action.form_class for action in model_admin.object_actions if action.form_class]
        for form_class in actions:
            for field in form_class().fields.values():
                if isinstance(field, forms.ModelChoiceField):
                    for value in map(str, ids.values()):
                        with pytest.raises(forms.ValidationError):
                            field.clean(value)
