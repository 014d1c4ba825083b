"""Query parameters shared by the telemetry endpoints."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from apps.robots.models import Robot

MAX_METRICS = 20
MAX_ROBOTS = 100
MAX_SERIES = 200


class ListParameter(serializers.CharField):
    """Comma-separated names; an empty parameter is an error, not the default.

    `robots=` comes from a client whose list of robots is empty, and must not select all of them.
    """

    def get_value(self, dictionary: Any) -> Any:
        """Return the parameter as it was sent."""
        return dictionary.get(self.field_name, serializers.empty)


def name_list(value: str) -> tuple[str, ...]:
    """Return comma-separated names without duplicates, in order."""
    return tuple(dict.fromkeys(comma_separated(value)))


def id_list(value: str) -> tuple[UUID, ...]:
    """Return comma-separated robot ids."""
    try:
        return tuple(UUID(name) for name in name_list(value))
    except ValueError as error:
        msg = "Enter robot ids, separated by commas."
        raise serializers.ValidationError(msg) from error


def metric_list(value: str) -> tuple[str, ...]:
    """Return comma-separated metric names, at most `MAX_METRICS`."""
    names = name_list(value)
    if not 1 <= len(names) <= MAX_METRICS:
        msg = f"Choose 1 to {MAX_METRICS} metrics."
        raise serializers.ValidationError(msg)
    return names


def comma_separated(value: str) -> list[str]:
    """Return the parts of a comma-separated value; reject empty ones."""
    parts = [part.strip() for part in value.split(",")]
    if not all(parts):
        msg = "Separate them with single commas."
        raise serializers.ValidationError(msg)
    return parts


Parameters = TypeVar("Parameters", bound=Serializer[Any])


def robot_id_parameter(request: Request, robot_id: UUID) -> UUID:
    """Return the id of a visible robot; otherwise raise 404."""
    if not Robot.objects.restrict(request.user).filter(pk=robot_id).exists():
        raise Http404
    return robot_id


def robot_parameter(request: Request, robot_id: UUID) -> Robot:
    """Return a visible robot; otherwise raise 404."""
    robot: Robot | None = Robot.objects.restrict(request.user).filter(pk=robot_id).first()
    if robot is None:
        raise Http404
    return robot


def validated_parameters(request: Request, serializer: type[Parameters]) -> Parameters:
    """Return the validated query parameters."""
    parameters = serializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return parameters


def json_response(data: Any) -> HttpResponse:
    """Return a JSON response encoded by msgspec, faster than serializers."""
    return HttpResponse(msgspec.json.encode(data), content_type="application/json")
