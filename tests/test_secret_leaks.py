"""Secrets sent through every input are neither stored nor shown anywhere.

Inputs are read from the URL resolver, the OpenAPI document and the forms of the pages. A new route,
field or page is therefore tested automatically.
"""

from __future__ import annotations

import base64
import html.parser
import io
import itertools
import json
import logging
import re
import secrets
from contextlib import contextmanager
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from redis import Redis

from apps.accounts.selectors.api_tokens import generate_access_token
from apps.accounts.selectors.key_format import generate_key
from tests.support.sample_data import routes
from urfmp.common.security.redaction import is_secret_name

pytestmark = pytest.mark.django_db(transaction=True)

# Pages redisplayed for another attempt must include the token of their link.
REDISPLAYED = {
    (page, f"{page} form token")
    for page in ("admin:choose_password", "admin:accept_invitation", "admin:acknowledge_alerts")
}
SESSION_ONLY = {"admin:logout", "admin:jsi18n"}


class Canaries:
    """Unique secrets, each recorded with the place it was sent to."""

    def __init__(self):
        self.sent: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def new(self, place, make=lambda: f"canary-{secrets.token_hex(12)}"):
        secret = make()
        self.sent[secret] = place
        return secret

    def found_in(self, text):
        return {place for secret, place in self.sent.items() if secret in text}


@pytest.fixture
def canaries():
    return Canaries()


@contextmanager
def all_logs():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def owner_rows():
    """Yield every row of every table as text."""
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted) as link:
        tables = link.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        assert {"audit_logs", "idempotency_keys", "procrastinate_jobs"} <= {t for (t,) in tables}
        for (table,) in tables:
            rows = link.execute(f"SELECT to_jsonb(t)::text FROM {table} t")
            yield from ((table, text) for (text,) in rows)


def redis_values():
    """Yield every key and value of Redis as text."""
    with Redis.from_url(settings.REDIS_URL) as client:
        readers = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1),
        }
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            yield f"{key!r} {readers[kind](key)!r}" if kind in readers else repr(key)


def resolved(schema, document):
    """Return a schema with its references and alternatives resolved."""
    while True:
        several = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf")
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif several:
            schema = several[0]
        else:
            return schema


def sample(schema, document, name, canaries, place):
    """Return a value accepted by a schema, a canary for a secret field."""
    schema = resolved(schema, document)
    kinds = schema.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    properties = schema.get("properties")
    if is_secret_name(name) and not properties and kind not in {"boolean", "array"}:
        secret = canaries.new(f"{place} {name}")
        deep = {"host": "h", "password": secret, "deep": [{"a": secret}]}
        return deep if kind == "object" else secret
    if properties is not None:
        return {
            key: sample(inner, document, key, canaries, place)
            for key, inner in properties.items()
            if not inner.get("readOnly")
        }
    if kind == "array":
        return [sample(schema.get("items", {}), document, name, canaries, place)]
    return schema["enum"][0] if "enum" in schema else plain(kind, schema.get("format", ""))


def plain(kind, form):
    texts = {
        "date-time": timezone.now().isoformat(),
        "email": f"c{secrets.token_hex(4)}@x.example",
        "uuid": "00000000-0000-4000-8000-000000000000",
    }
    text = texts.get(form, f"s-{secrets.token_hex(4)}")
    return {"string": text, "integer": 1, "number": 1.5, "boolean": True}.get(kind, {})


def operations(document, ids):
    """Yield path, method and JSON body schema of every operation."""
    known = {name.replace("-", "_"): str(pk) for name, pk in ids.items()}
    for path, methods in document["paths"].items():
        resource = path.removeprefix("/api/v1/").split("/")[0].rstrip("s").replace("-", "_")

        def pk(match, resource=resource):
            return known.get(match[1].removesuffix("_id"), known.get(resource, str(ids["robot"])))

        for method, operation in methods.items():
            if method in {"get", "post", "patch", "put"}:
                body = operation.get("requestBody", {}).get("content", {})
                schema = body.get("application/json", {}).get("schema")
                yield re.sub(r"\{(\w+)\}", pk, path), method, schema


def addresses(ids):
    """Yield the name and URL of every named route, in the admin with a row of its model."""
    for name in sorted(set(routes(get_resolver()))):
        if name.startswith("admin:"):
            model = name.removeprefix("admin:").split("_")
            known = {key.replace("-", ""): pk for key, pk in ids.items()}
            known |= {"robotcommand": ids["command"], "usersession": ids["session"]}
            pk = known.get(model[1] if len(model) > 1 else "", ids["robot"])
        else:
            pk = ids["robot"]
        for arguments in ([], [pk], [pk, "end"], ["csv"]):
            try:
                yield name, reverse(name, args=arguments)
                break
            except NoReverseMatch:
                continue


class _Forms(html.parser.HTMLParser):
    """Collects the inputs of a page: name, type and value."""

    def __init__(self):
        super().__init__()
        self.inputs: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in {"input", "textarea", "select"} and given.get("name"):
            self.inputs.append((given["name"], given.get("type", tag), given.get("value") or ""))


def carried(canaries, place):
    """Return headers and a query with secrets in every place a view may read."""
    new = canaries.new
    basic = base64.b64encode(f"u:{new(place + ' basic', generate_key)}".encode()).decode()
    bearer = f"Bearer {new(place + ' bearer', generate_access_token)}"
    query = urlencode(
        {
            "p": new(place + " ?p", generate_key),
            "token": new(place + " ?token"),
            "password": new(place + " ?password"),
            "code": new(place + " ?code"),
        }
    )
    kept = {
        "proxy-authorization": f"Basic {new(place + ' proxy')}",
        "referer": f"http://testserver/?token={new(place + ' referer')}",
        "cookie2": new(place + " cookie2"),
        "user-agent": f"probe/1 {new(place + ' user agent', generate_key)}",
        "x-request-id": new(place + " request id", generate_key),
    }
    return (
        query,
        kept,
        [
            {"authorization": bearer, "x-api-key": new(place + " x-api-key", generate_key)},
            {"authorization": f"Basic {basic}"},
            {"authorization": f"Token {new(place + ' token', generate_key)}"},
        ],
    )


@pytest.fixture
def shown(canaries):
    """Return a function that records where an error page shows a secret."""
    leaks = []

    def look(answer, place):
        # 501 and 503 are intended: unsupported services, and the stream that live serves.
        assert answer.status_code != 500, place
        if answer.streaming:
            answer.close()
        elif answer.status_code >= 400:
            text = answer.content.decode(errors="replace")
            leaks.extend((place, answer.status_code, who) for who in canaries.found_in(text))

    look.leaks = leaks
    return look


def malformed(client, path, method, canaries, place):
    """Yield the responses to unreadable bodies."""
    secret = canaries.new(f"{place} malformed")
    for kind, body in (
        ("application/json", f'{{"password": "{secret}", "token"'),
        ("application/json", f'{{"password": "{secret}\\u0000", "unknown": "{secret}"}}'),
        ("text/plain", f"m,token={secret} f={secret} {secret}\n"),
        ("application/x-www-form-urlencoded", f"password={secret}&code={secret}"),
    ):
        yield client.generic(method.upper(), path, body, content_type=kind)


def test_secrets_are_not_stored_logged_or_shown(
    canaries, shown, organization_a, alice, make_everything, client_for, make_key
):
    ids = make_everything(organization_a, "plain")
    document = SchemaGenerator().get_schema(request=None, public=True)
    bodies = 0
    with all_logs() as log:
        for path, method, schema in operations(document, ids):
            place = f"{method} {path}"
            client = client_for(alice)
            client.raise_request_exception = False
            if schema is not None and method != "get":
                body = sample(schema, document, "", canaries, place)
                refused = {"body": body, "secret": canaries.new(f"{place} unknown field")}
                for sent in (body, refused):
                    bodies += 1
                    answer = getattr(client, method)(
                        path,
                        json.dumps(sent),
                        content_type="application/json",
                        headers={"idempotency-key": secrets.token_hex(8)},
                    )
                    shown(answer, place)
            if method != "get":
                for answer in malformed(client, path, method, canaries, place):
                    shown(answer, place)
        for name, path in addresses(ids):
            query, kept, ways = carried(canaries, name)
            for headers in ways:
                client = Client(raise_request_exception=False)
                client.cookies["other"] = canaries.new(f"{name} cookie")
                client.cookies[settings.SESSION_COOKIE_NAME] = canaries.new(f"{name} session")
                shown(client.get(f"{path}?{query}", headers={**kept, **headers}), name)
            client = client_for(alice)
            client.raise_request_exception = False
            page = client.get(f"{path}?{query}", headers=kept)
            shown(page, name)
            if name not in SESSION_ONLY:
                send_form(client, path, page, name, canaries, shown)
    exports = [
        b"".join(
            client_for(alice).get(f"/api/v1/audit-logs/export?format={kind}").streaming_content
        ).decode()
        for kind in ("csv", "jsonl")
    ]
    assert bodies > 30
    assert len(canaries.sent) > 1000
    leaks = {(place, who) for place, _, who in shown.leaks} - REDISPLAYED
    leaks |= {("log", who) for who in canaries.found_in(log.getvalue())}
    leaks |= {(table, who) for table, text in owner_rows() for who in canaries.found_in(text)}
    leaks |= {("Redis", who) for text in redis_values() for who in canaries.found_in(text)}
    for text in exports:
        leaks |= {("export", who) for who in canaries.found_in(text)}
    assert not leaks


def send_form(client, path, page, name, canaries, shown):
    """Submit a page's own form with a secret in every secret input."""
    if page.streaming or "html" not in page.get("Content-Type", ""):
        page = client.get(path)
    if page.streaming:
        page.close()  # its transaction ends with the file
        return
    if "html" not in page.get("Content-Type", ""):
        return
    forms = _Forms()
    forms.feed(page.content.decode())
    values = {
        field: canaries.new(f"{name} form {field}")
        if kind == "password" or (is_secret_name(field) and field != "csrfmiddlewaretoken")
        else value
        for field, kind, value in forms.inputs
    }
    if values:
        shown(client.post(path, values), name)


def test_search_finds_stored_secret(canaries, organization_a, make_robot):
    """Check the search itself: an openly stored secret is found."""
    secret = canaries.new("name")
    robot = make_robot(organization_a, name=secret)
    assert "robots" in {table for table, text in owner_rows() if canaries.found_in(text)}
    kept = canaries.new("kept")
    connection = {"protocol": "rtde", "host": "h", "secrets": {"password": kept}}
    hidden = make_robot(organization_a, connection_config=connection)
    assert hidden.pk != robot.pk
    assert not [t for t, text in owner_rows() if kept in text]
    with Redis.from_url(settings.REDIS_URL) as client:
        client.set("urfmp-test:canary", secret, ex=60)
        assert [text for text in redis_values() if canaries.found_in(text)]
        client.delete("urfmp-test:canary")
    with all_logs() as log:
        logging.getLogger("canary").info("plain %s", secret)
    assert canaries.found_in(log.getvalue())
