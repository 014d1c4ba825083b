"""Viewsets nested under one robot."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import mixins

from apps.robots.models import Robot
from urfmp.common.api.viewsets import ScopedViewSet


class RobotNestedViewSet(mixins.ListModelMixin, ScopedViewSet):
    """List of the rows of the robot in the URL."""

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        robot_id = self.kwargs["robot_id"]
        if not Robot.objects.restrict(self.principal).filter(pk=robot_id).exists():
            raise Http404
        return rows.filter(robot_id=robot_id)
