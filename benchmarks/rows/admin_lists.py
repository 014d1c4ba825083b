"""Admin lists and pages with 10,000 robots and a million other rows."""

from __future__ import annotations

import statistics
import time
import uuid
from typing import Any

from benchmarks.bench import Bench, log_progress
from benchmarks.result import Result

_ROBOTS = 10_000
_ROWS = 1_000_000
_MAX_QUERIES = 12
_MAX_SECONDS = 0.3
_ROUNDS = 5
_SLUG = "bench-lists"

_HISTORY = """
    INSERT INTO robot_status_history (time, robot_id, status)
    SELECT now() - n * interval '7 hours' - r.number * interval '1 second', r.id,
           (ARRAY['running', 'idle', 'offline', 'error'])[1 + n % 4]
    FROM generate_series(1, 24) AS n CROSS JOIN numbered r
"""
# Triggers are disabled: they would write a million audit rows, which do not slow down any list.
_FILL = {
    "robots": """
        INSERT INTO robots (organization_id, name, vendor, model, serial_number, status, location,
                            configuration, last_seen, created_at)
        SELECT %(organization)s, 'Robot ' || lpad(n::text, 5, '0'), 'kuka', 'KR ' || n %% 40,
               'L-' || n, (ARRAY['running', 'idle', 'offline', 'error', 'charging'])[1 + n %% 5],
               jsonb_build_object('facility', 'Hall ' || n %% 10), '{}',
               now() - n * interval '1 second', now() - n * interval '1 hour'
        FROM generate_series(1, %(robots)s) AS n
    """,
    "alerts": """
        INSERT INTO alerts (organization_id, robot_id, type, severity, title, message, source,
                            key, is_resolved, is_acknowledged, created_at)
        SELECT %(organization)s, r.id, 'telemetry',
               (ARRAY['info', 'warning', 'error', 'critical'])[1 + n %% 4],
               'Motor ' || n %% 7 || ' is too hot, case ' || n, 'Passed the limit ' || n, 'robot',
               'case-' || n,
               n %% 50 <> 0, n %% 50 <> 0, now() - n * interval '30 seconds'
        FROM generate_series(1, %(rows)s) AS n
        JOIN numbered r ON r.number = n %% %(robots)s
    """,
    "maintenance_tasks": """
        INSERT INTO maintenance_tasks (organization_id, robot_id, created_by, title, type, status,
                                       priority, scheduled_at, due_at, created_at)
        SELECT %(organization)s, r.id, %(author)s, 'Grease joint ' || n %% 7 || ', round ' || n,
               'lubrication', CASE WHEN n %% 50 = 0 THEN 'scheduled' ELSE 'completed' END, 'medium',
               now() + (5000 - n) * interval '1 minute', now() + (5000 - n) * interval '1 minute',
               now() - n * interval '1 minute'
        FROM generate_series(1, %(rows)s) AS n
        JOIN numbered r ON r.number = n %% %(robots)s
    """,
    "robot_commands": """
        INSERT INTO robot_commands (organization_id, robot_id, user_id, type, status, created_at,
                                    expires_at)
        SELECT %(organization)s, r.id, %(author)s, (ARRAY['start', 'stop', 'pause'])[1 + n %% 3],
               (ARRAY['completed', 'failed', 'completed', 'completed'])[1 + n %% 4],
               now() - n * interval '20 seconds', now() - (n - 2) * interval '20 seconds'
        FROM generate_series(1, %(rows)s) AS n
        JOIN numbered r ON r.number = n %% %(robots)s
    """,
    "audit_logs": """
        INSERT INTO audit_logs (organization_id, user_id, action, resource_type, resource_id,
                                success, created_at)
        SELECT %(organization)s, %(author)s,
               (ARRAY['robots.robot.update', 'alerts.alert.acknowledge'])[1 + n %% 2],
               (ARRAY['robot', 'alert'])[1 + n %% 2], r.id, true, now() - n * interval '10 seconds'
        FROM generate_series(1, %(rows)s) AS n
        JOIN numbered r ON r.number = n %% %(robots)s
    """,
}  # fmt: skip
_NUMBERED = """
    CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS
    SELECT id, row_number() OVER (ORDER BY name) - 1 AS number FROM robots
    WHERE organization_id = %(organization)s
"""


def run(bench: Bench) -> Result:
    """Open each page several times; the slowest page counts."""
    organization_id, user = _organization_and_admin()
    _fill(bench, organization_id, user.pk)
    client = _client(user)
    found = {}
    for path in _paths(organization_id):
        times, queries = [], 0
        for _ in range(_ROUNDS + 1):
            queries, seconds = _timed_page(client, path)
            times.append(seconds)
        found[path] = (queries, statistics.median(times[1:]))
        log_progress(f"  {queries:3} queries, {found[path][1] * 1000:6.0f} ms  {path}")
    slowest = max(found, key=lambda path: found[path][1])
    max_queries = max(queries for queries, _ in found.values())
    seconds = found[slowest][1]
    return Result(
        f"{len(found)} admin lists and pages, {_ROBOTS:,} robots, {_ROWS:,} of the rest",
        f"slowest {seconds * 1000:.0f} ms, at most {max_queries} queries",
        "",
        "",
        f"< {_MAX_SECONDS * 1000:.0f} ms, <= {_MAX_QUERIES} queries",
        seconds < _MAX_SECONDS and max_queries <= _MAX_QUERIES,
        [f"slowest: {slowest}"],
    )


def _organization_and_admin() -> tuple[uuid.UUID, Any]:
    """Return the organization, created if missing, and its administrator."""
    from apps.accounts.models import User  # noqa: PLC0415 - Django is set up here
    from apps.accounts.services.users import user_create  # noqa: PLC0415
    from apps.organizations.models import Organization  # noqa: PLC0415
    from apps.organizations.services.organizations import organization_create  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415
    from urfmp.common.tenancy.organizations import organization_ids  # noqa: PLC0415

    email = f"admin@{_SLUG}.example"
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            if Organization.objects.filter(slug=_SLUG).exists():
                return organization_id, User.objects.get(email=email)
    organization = organization_create(name="Lists", slug=_SLUG)
    with tenant_transaction(organization.id):
        user = user_create(
            organization_id=organization.id,
            email=email,
            role="admin",
            password=uuid.uuid4().hex,
        )
    return organization.id, user


def _fill(bench: Bench, organization_id: uuid.UUID, author: uuid.UUID) -> None:
    values = {"organization": organization_id, "author": author, "robots": _ROBOTS, "rows": _ROWS}
    with bench.connect("owner") as connection:
        for table, statement in _FILL.items():
            row = connection.execute(
                f"SELECT count(*) FROM {table} WHERE organization_id = %s",
                [organization_id],
            ).fetchone()
            if row and row[0] >= _ROBOTS:
                continue
            log_progress(f"  filling {table}")
            with connection.transaction():
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                if table != "robots":
                    connection.execute(_NUMBERED, values)
                connection.execute(statement, values)
                if table == "robots":
                    connection.execute(_NUMBERED, values)
                    connection.execute(_HISTORY)
                connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            connection.execute(f"VACUUM ANALYZE {table}")


def _client(user: Any) -> Any:
    """Return a test client with a session of the user."""
    from django.conf import settings  # noqa: PLC0415
    from django.http import HttpRequest  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from apps.accounts.auth.login import log_in  # noqa: PLC0415
    from apps.accounts.services.session_store import SessionStore  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["testserver"]
    request = HttpRequest()
    request.META.update(REMOTE_ADDR="127.0.0.1")
    request.session = SessionStore()
    log_in(request, user)
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.session_key)
    return client


def _paths(organization_id: uuid.UUID) -> list[str]:
    from apps.robots.models import Robot  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    with tenant_transaction(organization_id):
        robot = Robot.objects.get(name="Robot 05000").pk
    lists = {
        "": [""],
        f"robots/robot/{robot}/": [""],
        "fleet/": [""],
        "status-history/": ["", f"robot={robot}"],
        "telemetry/": ["", f"robot={robot}"],
        "search/": ["s=05000", "s=nowhere"],
        "robots/robot/": ["", "q=05000", "q=nowhere", "status__exact=error", "p=3"],
        "robots/robotcommand/": ["", "q=05000", "q=nowhere", "status__exact=failed"],
        "maintenance/maintenancetask/": ["", "q=round+777777", "q=nowhere", "due=open"],
        "alerts/alert/": ["", "q=case+777777", "q=nowhere", "state=open"],
        "accounts/user/": [""],
        "accounts/apikey/": [""],
        "accounts/usersession/": [""],
        "organizations/facility/": [""],
        "organizations/organization/": [""],
        "audit/auditlog/": ["", "q=alerts.alert"],
    }
    of_robot = [
        f"{path}?robot__id__exact={robot}"
        for path in ("robots/robotcommand/", "maintenance/maintenancetask/", "alerts/alert/")
    ]
    pages = [f"{path}?{query}".rstrip("?") for path, queries in lists.items() for query in queries]
    return [f"/admin/{path}" for path in [*pages, *of_robot]]


def _timed_page(client: Any, path: str) -> tuple[int, float]:
    """Return the number of queries and the seconds that a page needs."""
    from django.db import connection  # noqa: PLC0415

    count = 0

    def counting(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal count
        count += not sql.startswith(("SAVEPOINT", "RELEASE", "SELECT set_config"))
        return execute(sql, *rest)

    with connection.execute_wrapper(counting):
        began = time.perf_counter()
        answer = client.get(path)
        seconds = time.perf_counter() - began
    if answer.status_code != 200:
        msg = f"{path} returned {answer.status_code}"
        raise RuntimeError(msg)
    return count, seconds
