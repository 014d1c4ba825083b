from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import mail
from django.http import HttpRequest
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from urfmp.common.tenancy.context import Actor


@pytest.fixture
def run_jobs(db) -> Callable[[], int]:
    """Return a function that runs what has been enqueued here, in order; a failure is raised."""
    # Those of tests that commit stay behind.
    done = set(ProcrastinateJob.objects.values_list("id", flat=True))

    def run() -> int:
        jobs = [job for job in ProcrastinateJob.objects.order_by("id") if job.id not in done]
        for job in jobs:
            done.add(job.id)
            app.tasks[job.task_name].func(**job.args)
        return len(jobs)

    return run


@pytest.fixture
def newest_code() -> Callable[[], str]:
    """Return a function that takes the code out of the e-mail sent last."""

    def read() -> str:
        text = mail.outbox[-1].body
        return next(line for line in text.splitlines() if line.startswith("urfmp_ln_"))

    return read


@pytest.fixture
def api_post(client) -> Callable[..., object]:
    return lambda path, body: client.post(f"/api/v1/{path}", body, content_type="application/json")


@pytest.fixture
def actor() -> Actor:
    """Return the client of a request: an address without a user."""
    return Actor(ip_address="127.0.0.1", user_agent="")


@pytest.fixture
def plain_request() -> HttpRequest:
    request = HttpRequest()
    request.META.update(REMOTE_ADDR="127.0.0.1")
    return request
