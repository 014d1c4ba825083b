"""Fill empty parts of a robot's configuration from the catalogue of models."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from apps.robots.models import Robot
from apps.robots.selectors.profiles import catalogue_configuration, catalogue_model

_UNITS = {"axes": "{} axes", "payload": "{:g} kg payload", "reach": "{:g} mm reach"}


def fill_from_catalogue(
    form: Any, values: dict[str, Any], robot: Robot | None = None
) -> list[tuple[int, str]]:
    """Add a model's facts to an empty part of a configuration.

    Returns:
        Messages for the user, with their levels.
    """
    vendor, name = form.cleaned_data["vendor"], form.cleaned_data["model"]
    facts = catalogue_configuration(vendor, name)
    stored = robot.configuration if robot is not None else {}
    given = values.get("configuration", stored or {})
    filled = {fact: value for fact, value in facts.items() if fact not in given}
    if filled:
        values["configuration"] = {**given, **filled}
    found = catalogue_model(vendor, name)
    label = f"the catalogue for {found.name}" if found is not None else ""
    other = {fact: value for fact, value in facts.items() if given.get(fact, value) != value}
    return [
        (level, f"{text} {label}: {_facts(part)}.")
        for level, text, part in (
            (messages.INFO, "Filled in from", filled),
            (messages.WARNING, "Different from", other),
        )
        if part
    ]


def show_notes(request: HttpRequest, notes: list[tuple[int, str]]) -> None:
    """Show what a form filled in."""
    for level, text in notes:
        messages.add_message(request, level, text)


def _facts(facts: dict[str, float]) -> str:
    return ", ".join(_UNITS[name].format(value) for name, value in facts.items())
