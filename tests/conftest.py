"""Fixtures: a database created by its owner, used by the run-time role, and the usual users.

Alice administers organization A, Bob is a viewer of it, Charlie administers organization B, and
Root belongs to the platform.
"""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django import VERSION
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, connections
from django.http import HttpRequest
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as property_settings

from tests.support.sample_data import ids, make_everything  # noqa: F401 - fixtures

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser tests' event loop

PASSWORD = "correct horse battery staple"

# A slow example on a busy machine is not a failure.
property_settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
property_settings.load_profile("suite")


_unread_streams: list[Any] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Close the streams that a test did not read.

    An export keeps its transaction open until it is read or closed, as the server does. The garbage
    collector would close it in the middle of another query of the connection, which waits forever.
    """
    try:
        return (yield)
    finally:
        while _unread_streams:
            _unread_streams.pop().close()


def _request_and_keep_stream(client: Client, _request: Any = Client.request, **values: Any) -> Any:
    response = _request(client, **values)
    if response.streaming:
        _unread_streams.append(response)
    return response


Client.request = _request_and_keep_stream


@pytest.fixture(scope="session")
def django_db_setup(request, django_db_blocker) -> Iterator[None]:
    """Create the test database as the owner, then connect the run-time role to it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = os.environ.get("URFMP_TEST_DATABASE", "test_urfmp") + (f"_{worker}" if worker else "")
    keep = request.config.getvalue("reuse_db") and not request.config.getvalue("create_db")
    with django_db_blocker.unblock():
        owner, default = connections["owner"], connections["default"]
        original = owner.settings_dict["NAME"]
        owner.settings_dict["TEST"]["NAME"] = name
        # Before version 6.0 Django serializes all rows unless disabled; later it has no such
        # option.
        copy = {} if VERSION >= (6, 0) else {"serialize": False}
        owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep, **copy)
        owner.close()
        default.close()
        default.settings_dict["NAME"] = name
    yield
    if not keep:
        with django_db_blocker.unblock():
            default.close()
            _destroy_test_database(owner, original)


def _destroy_test_database(owner: Any, original: str) -> None:
    """Drop the test database; wait for sessions of threads and processes that are ending.

    Raises:
        RuntimeError: A test left a session open; the message has its last statement.
    """
    gc.collect()
    end = time.monotonic() + 20
    while True:
        try:
            owner.creation.destroy_test_db(original, verbosity=0)
        except OperationalError as error:
            if time.monotonic() > end:
                raise RuntimeError(_open_sessions(owner.settings_dict["TEST"]["NAME"])) from error
            time.sleep(0.2)
        else:
            return


def _open_sessions(database: str) -> str:
    with psycopg.connect(os.environ["ADMIN_DATABASE_URL"]) as administrator:
        return "\n".join(
            str(session)
            for session in administrator.execute(
                """
                SELECT pid, usename, backend_type, application_name, backend_start, state_change,
                       state, wait_event, query
                FROM pg_stat_activity WHERE datname = %s
                """,
                [database],
            )
        )


@pytest.fixture(autouse=True)
def isolated_rate_limits(monkeypatch) -> None:
    """Start each test with fresh counters: Redis outlives tests."""
    prefix = f"urfmp-test:limit:{uuid.uuid4().hex}:"
    monkeypatch.setattr(settings, "RATE_LIMIT_PREFIX", prefix)


def _connect(alias: str) -> psycopg.Connection:
    parameters = connections[alias].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    return psycopg.connect(**wanted)


@pytest.fixture
def owner_cursor(django_db_setup) -> Iterator[psycopg.Cursor]:
    """A cursor of the tables' owner; its changes are rolled back."""
    with _connect("owner") as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


@pytest.fixture
def app_cursor(django_db_setup) -> Iterator[psycopg.Cursor]:
    """A cursor of the run-time role; its changes are rolled back."""
    with _connect("default") as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


@pytest.fixture
def tenant() -> Callable[..., Any]:
    """`with tenant(organization):` opens a tenant transaction."""
    from urfmp.common.tenancy.context import tenant_transaction

    return lambda organization, actor=None: tenant_transaction(organization.id, actor)


@pytest.fixture
def make_organization(db) -> Callable[..., Any]:
    from apps.organizations.services.organizations import organization_create

    def make(slug: str | None = None, **fields: Any) -> Any:
        slug = slug or f"o-{uuid.uuid4().hex[:8]}"
        fields.setdefault("plan", "enterprise")  # without limits
        return organization_create(name=fields.pop("name", slug.title()), slug=slug, **fields)

    return make


@pytest.fixture
def organization_a(make_organization) -> Any:
    return make_organization("acme", name="Acme", settings={"timezone": "Europe/Berlin"})


@pytest.fixture
def organization_b(make_organization) -> Any:
    return make_organization("globex", name="Globex")


@pytest.fixture
def make_user(tenant) -> Callable[..., Any]:
    from apps.accounts.services.users import user_create

    def make(
        organization: Any, role: str = "admin", email: str | None = None, **fields: Any
    ) -> Any:
        email = email or f"{role}-{uuid.uuid4().hex[:6]}@{organization.slug}.example"
        with tenant(organization):
            return user_create(
                organization_id=organization.id,
                email=email,
                role=role,
                password=fields.pop("password", PASSWORD),
                **fields,
            )

    return make


@pytest.fixture
def alice(make_user, organization_a) -> Any:
    return make_user(organization_a, "admin", "alice@acme.example", first_name="Alice")


@pytest.fixture
def bob(make_user, organization_a) -> Any:
    return make_user(organization_a, "viewer", "bob@acme.example", first_name="Bob")


@pytest.fixture
def charlie(make_user, organization_b) -> Any:
    return make_user(organization_b, "admin", "charlie@globex.example", first_name="Charlie")


@pytest.fixture
def root(make_user, make_organization) -> Any:
    platform = make_organization("platform")
    user = make_user(platform, "super_admin", "root@platform.example")
    user.organization_of_test = platform
    return user


@pytest.fixture
def make_facility(tenant) -> Callable[..., Any]:
    from apps.organizations.services.facilities import facility_create

    def make(organization: Any, name: str = "Hall 1", **fields: Any) -> Any:
        with tenant(organization):
            return facility_create(organization_id=organization.id, name=name, **fields)

    return make


@pytest.fixture
def make_robot(tenant) -> Callable[..., Any]:
    from apps.robots.services.robots import robot_register

    def make(organization: Any, **fields: Any) -> Any:
        number = uuid.uuid4().hex[:8]
        values = {
            "name": f"Robot {number}",
            "vendor": "universal_robots",
            "model": "UR3",
            "serial_number": f"SN-{number}",
            "configuration": {"axes": 6},
            **fields,
        }
        with tenant(organization):
            return robot_register(organization_id=organization.id, **values)

    return make


@pytest.fixture
def make_key(tenant) -> Callable[..., str]:
    """Return a function that creates an API key and returns its text."""
    from apps.accounts.services.api_keys import api_key_create
    from apps.accounts.services.users import system_user_get

    def make(
        organization: Any, permissions: list[str] | None = None, robot: Any = None, **fields: Any
    ) -> str:
        with tenant(organization):
            _, key = api_key_create(
                organization_id=organization.id,
                user=system_user_get(organization_id=organization.id),
                name=fields.pop("name", "test"),
                permissions=["telemetry:write"] if permissions is None else permissions,
                robot=robot,
                **fields,
            )
        return key

    return make


@pytest.fixture
def client_for(db) -> Callable[..., Client]:
    """Return a function that returns a client with a session of the user."""
    from apps.accounts.auth.login import log_in
    from apps.accounts.services.session_store import SessionStore

    def login(user: Any, **client_options: Any) -> Client:
        request = HttpRequest()
        request.META.update(REMOTE_ADDR="127.0.0.1")
        request.session = SessionStore()
        request.session.ip_address = "127.0.0.1"  # as the middleware does
        log_in(request, user)
        client = Client(**client_options)
        client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
        return client

    return login


def uncache_session(client: Client) -> None:
    """Remove the cached session of a client, and nothing else: workers share one Redis."""
    from urfmp.common.security.bearer_secrets import hash_token

    cache.delete(f"session:{hash_token(client.cookies[settings.SESSION_COOKIE_NAME].value)}")
