"""Fixtures: a database made by its owner and used by the run-time role, and the usual people.

Alice administers organization A, Bob only looks at it, Charlie administers organization B, and
Root belongs to the platform.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django import VERSION
from django.conf import settings
from django.core.cache import cache
from django.db import connections
from django.http import HttpRequest
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as property_settings

from tests.support.sample_data import ids, make_everything  # noqa: F401 - fixtures

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser tests' event loop

PASSWORD = "correct horse battery staple"

# What is slow on a busy machine is no fault.
property_settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
property_settings.load_profile("suite")


@pytest.fixture(scope="session")
def django_db_setup(request, django_db_blocker) -> Iterator[None]:
    """Make the test database as the owner, then let the run-time role use it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = os.environ.get("URFMP_TEST_DATABASE", "test_urfmp") + (f"_{worker}" if worker else "")
    keep = request.config.getvalue("reuse_db") and not request.config.getvalue("create_db")
    with django_db_blocker.unblock():
        owner, default = connections["owner"], connections["default"]
        original = owner.settings_dict["NAME"]
        owner.settings_dict["TEST"]["NAME"] = name
        # Django keeps a copy of all rows unless told; later it does not, and must not be told.
        copy = {} if VERSION >= (6, 0) else {"serialize": False}
        owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep, **copy)
        owner.close()
        default.close()
        default.settings_dict["NAME"] = name
    yield
    if not keep:
        with django_db_blocker.unblock():
            default.close()
            owner.creation.destroy_test_db(original, verbosity=0)


@pytest.fixture(autouse=True)
def own_rate_limits(monkeypatch) -> None:
    """Begin each test with counters that nobody has raised: Redis outlives tests."""
    prefix = f"urfmp-test:limit:{uuid.uuid4().hex}:"
    monkeypatch.setattr(settings, "RATE_LIMIT_PREFIX", prefix)


def _connect(alias: str) -> psycopg.Connection:
    parameters = connections[alias].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    return psycopg.connect(**wanted)


@pytest.fixture
def owner_cursor(django_db_setup) -> Iterator[psycopg.Cursor]:
    """A cursor of the tables' owner; whatever it does is rolled back."""
    with _connect("owner") as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


@pytest.fixture
def app_cursor(django_db_setup) -> Iterator[psycopg.Cursor]:
    """A cursor of the run-time role; whatever it does is rolled back."""
    with _connect("default") as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


@pytest.fixture
def inside() -> Callable[..., Any]:
    """`with inside(organization):` opens a tenant transaction."""
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
def make_user(inside) -> Callable[..., Any]:
    from apps.accounts.services.users import user_create

    def make(
        organization: Any, role: str = "admin", email: str | None = None, **fields: Any
    ) -> Any:
        email = email or f"{role}-{uuid.uuid4().hex[:6]}@{organization.slug}.example"
        with inside(organization):
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
def make_facility(inside) -> Callable[..., Any]:
    from apps.organizations.services.facilities import facility_create

    def make(organization: Any, name: str = "Hall 1", **fields: Any) -> Any:
        with inside(organization):
            return facility_create(organization_id=organization.id, name=name, **fields)

    return make


@pytest.fixture
def make_robot(inside) -> Callable[..., Any]:
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
        with inside(organization):
            return robot_register(organization_id=organization.id, **values)

    return make


@pytest.fixture
def make_key(inside) -> Callable[..., str]:
    """Return a function that makes an API key and returns its text."""
    from apps.accounts.services.api_keys import api_key_create
    from apps.accounts.services.users import system_user_get

    def make(
        organization: Any, permissions: list[str] | None = None, robot: Any = None, **fields: Any
    ) -> str:
        with inside(organization):
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
def sign_in(db) -> Callable[..., Client]:
    """Return a function that gives a browser in which a person is signed in."""
    from apps.accounts.auth.session_store import SessionStore
    from apps.accounts.services.sessions import session_start

    def enter(user: Any, **client_options: Any) -> Client:
        request = HttpRequest()
        request.META.update(REMOTE_ADDR="127.0.0.1")
        request.session = SessionStore()
        session_start(request, user)
        client = Client(**client_options)
        client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
        return client

    return enter


def uncache(client: Client) -> None:
    """Forget what is cached of a browser's session, and nothing else: workers share one Redis."""
    from urfmp.common.security.bearer_secrets import digest

    cache.delete(f"session:{digest(client.cookies[settings.SESSION_COOKIE_NAME].value)}")
