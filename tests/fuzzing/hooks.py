"""Checks and hooks for schemathesis, loaded by its command line, not by pytest."""

from __future__ import annotations

import os
import re
import uuid

import schemathesis

# Errors of requests that fit the document: rules that no JSON Schema can express.
_REASONS = [
    # Rows that must exist, or must not exist yet.
    r"There is no such (robot|person|user|facility)\.",
    r"(Robot|User|Facility) not found\.",
    r"Facility .* not found\.",
    r'Invalid pk ".*" - object does not exist\.',
    r"(user|Facility) with this .* already exists\.",
    r"A (robot|facility) with this .* already exists\.",
    r"This e-mail address is already in use\.",
    r"E-mail addresses under \.invalid are reserved\.",
    r"Invalid cursor for this list and ordering\.",
    r"Unknown timezone; use an IANA name such as Europe/Berlin\.",
    r"A part with this number already exists\.",
    r"The part already has a stock in this place\.",
    r"The part is inactive\. .*",
    r"Select the task\.",
    r"A template with this title already exists\.",
    r"The template is inactive\. .*",
    r"(Step|Part) \d+: .*",
    r"Enter each part once\.",
    r"This step records .*",
    r"(Enter|Encode) .*",
    r"Attach a photo to this step instead\.",
    r"The step belongs to another task\.",
    r"The (file|picture|PDF) .*",
    r"Send a JPEG, PNG, PDF or plain text file\.",
    r"Received and counted parts belong to no task\.",
    r"Enter why the stock was counted\.",
    r"Enter a quantity above 0\.",
    r"A stock can hold at most .*",
    r"The robot is retired\. .*",
    # Decimals are strings, whose range the document cannot give.
    r"A valid number is required\.",
    r"Ensure this value is (less|greater) than or equal to .*",
    # Lists in one parameter: names separated by commas.
    r"Enter robot ids, separated by commas\.",
    r"There is no (unit|metric) .*",
    r"Unknown aggregation: .*",
    r"(Choose|Name) .*",
    r"Values cannot be shown in .*",
    r"Line breaks and control characters are not allowed\.",
    # Rules between fields, and of datetimes.
    r"Send either `delete` or `replace`\.",
    r"No robot in service is in this place\.",
    r"Send the content of a plan, or two points\.",
    r"Enter a time in the future\.",
    r"The end must be in the future\.",
    r"Select a robot, or enter a vendor and a model\.",
    r"Send either rows or csv\.",
    r"Send at most 100 entries\.",
    r"A rule of this name for these robots exists already\.",
    r"Rules of this kind observe the whole organization\.",
    r"Enter when the resolved alert ended, .*",
    r"A key bound to a robot cannot have the scope .*\.",
    r"Enter a date and time between the years 2000 and 2200\.",
    r"Expiry must be in the future\.",
    r"This field cannot be changed; .*",
    r".* is not an IP address or network, such as .*",
    r".* is not an IP address or CIDR range such as .*",
    r"A range (ends|begins) .*",
    r"Null characters are not allowed\.",
    r"Invisible characters are not allowed\. .*",
    r"The body cannot be decompressed as .*",
    r"This password is .*",
    r"The password is .*",
]  # fmt: skip
_REASON = re.compile("|".join(f"(?:{reason})" for reason in _REASONS), re.DOTALL)
_CODES = {"idempotency_key_reused", "nothing_stored", "unknown_metric", "invalid_range"}
_CODES |= {"link_refused", "claim_refused"}
_OWN_SESSION = os.environ.get("FUZZING_OWN_SESSION")


def _messages(errors):
    if isinstance(errors, str):
        yield errors
    elif isinstance(errors, dict):
        for part in errors.values():
            yield from _messages(part)
    elif isinstance(errors, list):
        for part in errors:
            yield from _messages(part)


@schemathesis.check
def rejected_for_a_reason(ctx, response, case):
    """Check that a request that fits the document is rejected only by rules outside the schema."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in {400, 422} or case.path in {"/write", "/api/v2/write"}:
        return
    if case.path.startswith(("/prometheus/", "/otlp/")):  # errors in other formats
        return
    body = response.json()
    if body["code"] in _CODES:
        return
    # Vendors have connection settings of their own, and kinds of rules have conditions of their
    # own; the document has those of all.
    errors = {
        path: found
        for path, found in body.get("errors", {}).items()
        if not path.startswith("connection_config.") and path != "condition"
    }
    texts = list(_messages(errors)) if "errors" in body else [body["detail"]]
    unexplained = [text for text in texts if not _REASON.fullmatch(text)]
    assert not unexplained, (
        f"A request that fits the document is rejected: {body['code']} {unexplained}"
    )


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keep the run's own session and credential.

    Without the session every response would be 401. With a second credential, which schemathesis
    adds for each security scheme of the document, every response would be 400.
    """
    for headers in (case.headers, kwargs.get("headers")):
        if headers:
            headers.pop("X-API-Key", None)
    parameters = case.path_parameters or {}
    if _OWN_SESSION and str(parameters.get("id")) == _OWN_SESSION:
        parameters["id"] = str(uuid.UUID(int=1))
