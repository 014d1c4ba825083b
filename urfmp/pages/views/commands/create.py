"""Send a command to one robot or to several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from apps.accounts.exceptions import IdempotencyKeyReusedError
from apps.robots.choices import MOTION_TYPES, CommandType
from apps.robots.models import Robot, RobotCommand
from apps.robots.protocols.commands.fields import RobotLimits
from apps.robots.protocols.commands.payloads import validate_payload
from apps.robots.selectors.profiles import supported_command_types
from apps.robots.services.commands.creation import command_create
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.robot_tabs import RobotTab, tab_address
from urfmp.pages.views.commands.forms import CONFIRMED_TYPES, CommandForm, targets_of
from urfmp.pages.views.commands.once import form_token, new_token, run_once
from urfmp.pages.views.rendering import render_page, require_permission

PERMISSION = "robots.add_robotcommand"
MAX_ROBOTS = 50
_SENT_BEFORE = "This form was sent before, with other values. Check it, and send it again."


@dataclass(frozen=True)
class TypeLink:
    """A link to the form of a type."""

    label: str
    query: str
    is_current: bool
    is_motion: bool


@dataclass(frozen=True)
class RobotResult:
    """What became of a command for one of several robots."""

    robot: Robot
    command: RobotCommand | None
    error: str


def robot_command_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show the form of a command for one robot, or send it."""
    require_permission(request, PERMISSION)
    rows = Robot.objects.restrict(request.user).select_related("organization", "lease_user")
    robot: Robot = get_object_or_404(rows, pk=robot_id)
    page = _CommandPage(request, [robot])
    if page.is_accepted():
        try:
            url, is_repeat = run_once(request, lambda: page.create(robot))
        except IdempotencyKeyReusedError:
            page.start_again()
        except (ApplicationError, ValidationError) as error:
            page.add_error(error)
        else:
            if is_repeat:
                messages.info(request, "This command had been sent before; it was not sent again.")
            return HttpResponseRedirect(url)
    trail = [
        ("Robots", reverse("admin:robots_robot_changelist")),
        (robot.name, tab_address(robot, RobotTab.OVERVIEW)),
    ]
    return page.render("pages/commands/robot.html", trail=trail, robot=robot)


def commands_page(request: HttpRequest) -> HttpResponse:
    """Send a command to several robots, and show the result of each."""
    require_permission(request, PERMISSION)
    robots = _requested_robots(request)
    page = _CommandPage(request, robots)
    trail = [("Robots", reverse("admin:robots_robot_changelist"))]
    if robots and page.is_accepted():
        try:
            stored, is_repeat = run_once(request, page.create_for_each)
        except IdempotencyKeyReusedError:
            page.start_again()
        else:
            results = _read_results(request.user, stored, robots)
            return page.render(
                "pages/commands/results.html", trail=trail, results=results, is_repeat=is_repeat
            )
    return page.render("pages/commands/several.html", trail=trail, robots=robots)


def _requested_robots(request: HttpRequest) -> list[Robot]:
    """Return the robots of the address, in the order of their names."""
    ids = []
    for text in request.GET.getlist("robot")[:MAX_ROBOTS]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    rows = Robot.objects.restrict(request.user).in_service().filter(pk__in=ids)
    return list(rows.select_related("organization", "lease_user"))


def _read_results(user: Any, stored: str, robots: Sequence[Robot]) -> list[RobotResult]:
    found: dict[str, dict[str, str]] = msgspec.json.decode(stored)
    ids = [one["command"] for one in found.values() if "command" in one]
    commands = {one.robot_id: one for one in RobotCommand.objects.restrict(user).filter(pk__in=ids)}
    return [
        RobotResult(robot, commands.get(robot.pk), one.get("error", ""))
        for robot in robots
        if (one := found.get(str(robot.pk))) is not None
    ]


class _CommandPage:
    """The form of a command, and what the page around it shows."""

    def __init__(self, request: HttpRequest, robots: Sequence[Robot]) -> None:
        self.request = request
        self.robots = robots
        self.types = _common_types(robots)
        self.type = self._chosen_type()
        self.token = form_token(request)
        self.target = ""
        self.form: Any = None  # without a type; else a CommandForm
        if self.type is not None:
            targets = [name for name, _ in targets_of(self.type)]
            wanted = request.GET.get("target", "")
            self.target = wanted if wanted in targets else next(iter(targets), "")
            data = request.POST if request.method == "POST" else None
            # Limits of one robot are shown; several robots may have different ones.
            configuration = robots[0].configuration if len(robots) == 1 else {}
            limits = RobotLimits.of(configuration or {})
            self.form = CommandForm(data, type=self.type, target=self.target, limits=limits)

    def _chosen_type(self) -> CommandType | None:
        name = self.request.GET.get("type", "")
        return next((one for one in self.types if one == name), None)

    @property
    def needs_confirmation(self) -> bool:
        """Return whether a valid form is to be confirmed on another page."""
        form = self.form
        is_sent = form is not None and form.is_bound and form.is_valid()
        is_confirmed = "_confirm" in self.request.POST
        return is_sent and self.type in CONFIRMED_TYPES and not is_confirmed

    def is_accepted(self) -> bool:
        """Validate a sent form; return whether to create its command now."""
        form = self.form
        if form is None or self.type is None or not form.is_bound or not form.is_valid():
            return False
        try:
            for robot in self.robots if self.needs_confirmation else ():
                validate_payload(self.type, form.payload(), robot.configuration)
        except ValidationError as error:
            form.add_service_error(error)
            return False
        return not self.needs_confirmation

    def create(self, robot: Robot) -> str:
        """Create the robot's command, and return the address of its page."""
        user: Any = self.request.user
        command = command_create(robot=robot, user=user, **self.form.service_kwargs())
        return reverse("admin:robots_robotcommand_change", args=[command.pk])

    def create_for_each(self) -> str:
        """Create a command for each robot; return ids and errors as JSON.

        Robots are locked in the order of their ids, as everywhere. An error of one robot leaves the
        others alone.
        """
        user: Any = self.request.user
        kwargs = self.form.service_kwargs()
        found: dict[str, dict[str, str]] = {}
        for robot in sorted(self.robots, key=lambda one: one.pk):
            try:
                command = command_create(robot=robot, user=user, **kwargs)
            except (ApplicationError, ValidationError) as error:
                found[str(robot.pk)] = {"error": " ".join(error_messages(error))}
            else:
                found[str(robot.pk)] = {"command": str(command.pk)}
        return msgspec.json.encode(found).decode()

    def add_error(self, error: ApplicationError | ValidationError) -> None:
        """Show an error of the service in the form."""
        self.form.add_service_error(error)

    def start_again(self) -> None:
        """Give the form a new token."""
        self.token = new_token()
        self.form.add_error(None, _SENT_BEFORE)

    def render(self, template: str, **context: Any) -> HttpResponse:
        """Render the page; a rejected form has the status 400."""
        has_errors = self.form is not None and self.form.is_bound and bool(self.form.errors)
        name = str(self.type.label) if self.type else "Command"
        response = render_page(
            self.request,
            template,
            name,
            form=self.form,
            type=self.type,
            type_links=self._type_links(),
            target_links=self._target_links(),
            token=self.token,
            is_confirmation=self.needs_confirmation and not has_errors,
            is_motion=self.type in MOTION_TYPES,
            now=timezone.now(),
            **context,
        )
        response.status_code = 400 if has_errors else 200
        return response

    def _query(self, **changes: str) -> str:
        query = self.request.GET.copy()
        query.pop("target", None)
        for name, value in changes.items():
            query[name] = value
        return query.urlencode()

    def _type_links(self) -> list[TypeLink]:
        return [
            TypeLink(str(one.label), self._query(type=one), one == self.type, one in MOTION_TYPES)
            for one in self.types
        ]

    def _target_links(self) -> list[TypeLink]:
        if self.type is None:
            return []
        return [
            TypeLink(label, self._query(target=name), name == self.target, is_motion=False)
            for name, label in targets_of(self.type)
        ]


def _common_types(robots: Sequence[Robot]) -> list[CommandType]:
    """Return the types that all robots support.

    A stop request has a page of its own.
    """
    supported = [supported_command_types(robot) for robot in robots]
    return [
        one
        for one in CommandType
        if one != CommandType.EMERGENCY_STOP and all(one in types for types in supported)
    ]
