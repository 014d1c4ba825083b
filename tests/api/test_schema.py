"""The OpenAPI document describes exactly the API."""

from __future__ import annotations

import ast
import json
from importlib.resources import files
from pathlib import Path

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from tests.support.api_contract import api_document, plain, routes
from urfmp.common.api.openapi_hooks import problem_codes

ROOT = Path(__file__).resolve().parent.parent.parent
# Not in the document: the document and its page, and the query URL that always fails.
NOT_LISTED = {"/api/v1/schema", "/api/v1/docs", "/api/v2/query"}
# A summary begins with the verb of the operation; a new verb is added here.
SUMMARY_VERBS = {
    "Accept", "Acknowledge", "Approve", "Assign", "Begin", "Cancel", "Change", "Comment",
    "Complete", "Correct", "Create", "Deactivate", "Delete", "Dismiss", "Enable", "End",
    "Evaluate", "Exchange", "Export", "Get", "Invite", "Join", "Leave", "List", "Lock", "Log",
    "Open", "Put", "Reactivate", "Record", "Reject", "Release", "Remove", "Reopen", "Replace",
    "Report", "Request", "Resolve", "Resume", "Retire", "Return", "Reveal", "Revoke", "Select",
    "Send", "Set", "Snooze", "Start", "Store", "Stream", "Update", "Verify", "Wait",
}  # fmt: skip


@pytest.fixture(scope="module")
def document(django_db_setup):
    return api_document()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def errors(document, operation):
    """Yield the operation's errors by status, with references resolved."""
    for status, answer in operation["responses"].items():
        if status >= "400":
            name = answer.get("$ref", "").rpartition("/")[2]
            yield status, document["components"]["responses"].get(name, answer)


def test_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    text = files("drf_spectacular").joinpath("validation/openapi_3_1_schema.json").read_text()
    Draft202012Validator(json.loads(text)).validate(document)


def test_schemas_are_valid(document):
    def schemas(part):
        if isinstance(part, dict):
            yield from [part["schema"]] if isinstance(part.get("schema"), dict) else []
            for inner in part.values():
                yield from schemas(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from schemas(inner)

    for schema in [*document["components"]["schemas"].values(), *schemas(document["paths"])]:
        Draft202012Validator.check_schema(schema)


def test_references_resolve(document):
    def references(part):
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    for reference in set(references(document)):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        assert found


def test_document_has_exactly_the_routes(document):
    api = {
        plain(route)
        for route, _ in routes()
        if route.startswith(("/api/", "/otlp/", "/prometheus/", "/write"))
    }
    assert {plain(path) for path in document["paths"]} == api - NOT_LISTED


def test_document_has_exactly_the_methods(document):
    """The document has all methods of a route, except HEAD and OPTIONS."""
    listed = {plain(path): set(item) for path, item in document["paths"].items()}
    for route, callback in routes():
        path = plain(route)
        if path not in listed or not hasattr(callback, "cls"):
            continue
        known = set(callback.cls.http_method_names) - {"head", "options"}
        if actions := getattr(callback, "actions", None):
            methods = known & set(actions)
        else:
            methods = {method for method in known if hasattr(callback.cls, method)}
        assert listed[path] == methods, path


def test_operations_have_ids_and_tags(document):
    found = [operation for _, _, operation in operations(document)]
    names = [operation["operationId"] for operation in found]
    assert len(names) == len(set(names))
    described = {tag["name"] for tag in document["tags"]}
    for operation in found:
        assert set(operation["tags"]) <= described, operation["operationId"]


def test_operations_have_short_imperative_summaries(document):
    """Documents and generated clients show summaries as titles of operations."""
    summaries = {
        operation["operationId"]: operation.get("summary", "")
        for _, _, operation in operations(document)
    }
    first_words = {summary.partition(" ")[0] for summary in summaries.values()}
    assert first_words <= SUMMARY_VERBS, first_words - SUMMARY_VERBS
    wrong = {
        name: summary
        for name, summary in summaries.items()
        if not 2 <= len(summary.split()) <= 10 or len(summary) > 60 or summary.endswith(".")
    }
    assert wrong == {}
    assert len(set(summaries.values())) == len(summaries), "two operations have the same summary"


def test_credentials_are_alternatives(document):
    for path, _, operation in operations(document):
        schemes = operation["security"]
        if not schemes:
            assert path.startswith("/api/v1/auth/") or path == "/api/v1/device/claim", path
            continue
        assert all(len(scheme) == 1 for scheme in schemes), path
        assert set().union(*schemes) <= set(document["components"]["securitySchemes"]), path


def test_errors_are_problem_details(document):
    for path, method, operation in operations(document):
        influx = path in {"/write", "/api/v2/write"}
        foreign = path.startswith(("/prometheus/", "/otlp/"))
        for status, answer in errors(document, operation):
            (media,) = answer["content"]
            own = influx and status in {"400", "401", "403", "413", "415", "429", "503"}
            own |= foreign and status != "406"
            own_media = "text/plain" if path.endswith("/v1/write") else "application/json"
            assert media == (own_media if own else "application/problem+json"), (
                path, method, status,
            )  # fmt: skip
            assert answer["description"]


def test_error_statuses_match_the_operation(document):
    for path, method, operation in operations(document):
        statuses = set(operation["responses"])
        headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
        assert {"400", "429", "503"} <= statuses, (path, method)
        assert {"401", "403"} <= statuses or not operation["security"], (path, method)
        assert ("404" in statuses) or "{" not in path, (path, method)
        assert {"413", "415"} <= statuses or "requestBody" not in operation, (path, method)
        assert ("412" in statuses) == ("If-Match" in headers), (path, method)
        assert {"409", "422"} <= statuses or "Idempotency-Key" not in headers, (path, method)


def test_responses_have_common_headers(document):
    for path, method, operation in operations(document):
        for status, answer in [*operation["responses"].items()]:
            name = answer.get("$ref", "").rpartition("/")[2]
            headers = document["components"]["responses"].get(name, answer)["headers"]
            assert "X-Request-ID" in headers, (path, method, status)
            if operation["security"]:
                assert "RateLimit-Remaining" in headers, (path, method, status)
            if status in {"429", "503"}:
                assert headers["Retry-After"]["required"]


def test_error_codes_of_source_are_in_document(document):
    """Every error code in the source is listed under its status."""
    known = problem_codes()
    answered = set()
    for file in [*ROOT.glob("apps/**/*.py"), *ROOT.glob("urfmp/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            status, code = node.args[:2]
            if name not in {"problem", "problem_response", "Problem"}:
                continue
            if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                answered.add((status.value, code.value))
    assert len(answered) >= 10
    assert {(status, code) for status, code in answered if code not in known.get(status, ())} == (
        set()
    )


def test_error_codes_are_in_api_docs(document):
    text = (ROOT / "docs" / "api.md").read_text()
    codes = {code for found in problem_codes().values() for code in found}
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_list_parameters_are_documented(document):
    parameters = document["paths"]["/api/v1/robots"]["get"]["parameters"]
    by_name = {parameter["name"]: parameter for parameter in parameters}
    assert {"cursor", "page_size", "ordering", "fields", "status", "is_active"} <= set(by_name)
    assert by_name["is_active"]["schema"]["type"] == "boolean"
    assert "-last_seen" in by_name["ordering"]["schema"]["enum"]


def test_stream_parameters_are_documented(document):
    events = document["paths"]["/api/v1/events"]["get"]
    known = {(p["in"], p["name"]) for p in events["parameters"]}
    assert known == {("query", "robot"), ("query", "last_event_id"), ("header", "Last-Event-ID")}
    assert {"400", "401", "403", "404", "429", "503"} <= set(events["responses"])


def test_request_bodies_forbid_unknown_members(document):
    for path, method, operation in operations(document):
        if path == "/api/v1/alertmanager":  # later versions of Alertmanager may send more
            continue
        for media, body in operation.get("requestBody", {"content": {}})["content"].items():
            schema = body["schema"]
            name = schema.get("$ref", "").rpartition("/")[2]
            schema = document["components"]["schemas"].get(name, schema)
            is_foreign = path.startswith(("/prometheus/", "/otlp/"))  # unknown members are ignored
            is_closed = schema.get("additionalProperties") is False
            assert media == "text/plain" or is_foreign or is_closed, (path, method)


def test_examples_are_valid(document):
    count = 0
    for _, _, operation in operations(document):
        for body in operation.get("requestBody", {"content": {}})["content"].values():
            for example in body.get("examples", {}).values():
                schema = {**body["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(example["value"])
                count += 1
    assert count >= 8


def test_document_requires_authentication(alice, client_for, organization_a, make_key):
    answer = client_for(alice).get("/api/v1/schema")
    assert answer.status_code == 200
    assert b"openapi" in answer.content
    key = make_key(organization_a, ["robots:read"])
    assert Client().get("/api/v1/schema", headers={"x-api-key": key}).status_code == 200
    assert Client().get("/api/v1/schema").status_code in {401, 403}


@pytest.mark.parametrize("form", [{"headers": {"accept": "application/json"}}, {}])
def test_document_as_json(form, alice, client_for):
    path = "/api/v1/schema" if form else "/api/v1/schema?format=json"
    answer = client_for(alice).get(path, **form)
    assert json.loads(answer.content)["openapi"].startswith("3.1")
