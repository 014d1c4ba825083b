"""Viewset base: every row passes through `restrict`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from urfmp.common.api.filters import reject_empty_params, reject_unknown_params
from urfmp.common.api.permissions import permission_action
from urfmp.common.api.serializers import field_names
from urfmp.common.security.recent_auth import require_recent_auth

_READS = frozenset({"GET", "HEAD"})


class PrincipalView(APIView):
    """A view that asks who calls it, and refuses parameters that it does not know.

    Attributes:
        step_up_actions: Actions, by DRF's names, that need a sign-in of the last 15 minutes.
        parameters_class: The serializer of what the address may carry after the question mark.
    """

    step_up_actions: ClassVar[frozenset[str]] = frozenset()
    parameters_class: ClassVar[type[Serializer[Any]] | None] = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse unknown parameters, of those who may call at all.

        Raises:
            ValidationError: The address carries a parameter that means nothing here.
            StepUpRequiredError: This needs a newer sign-in.
        """
        super().initial(request, *args, **kwargs)
        if getattr(self, "action", None) in self.step_up_actions:
            require_recent_auth(request._request)  # noqa: SLF001
        method = (request.method or "").lower()
        is_answered = method in self.http_method_names and hasattr(self, method)  # else 405
        if is_answered and (known := self.known_parameters()) is not None:
            reject_unknown_params(request, known)
            reject_empty_params(
                request, self.parameters_class().fields if self.parameters_class else ()
            )

    def known_parameters(self) -> frozenset[str] | None:
        """Return the parameters of this request's method; None where a filter backend checks."""
        return frozenset(self.parameters_class().fields if self.parameters_class else ())

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Return the headers of requests and answers that the OpenAPI document names."""
        return []

    @property
    def principal(self) -> Any:
        """The person or key that calls; Django's types know of neither organization nor robot."""
        return self.request.user


class ScopedViewSet(PrincipalView, viewsets.GenericViewSet):  # type: ignore[type-arg]
    """Rows of one tenant-owned model.

    Attributes:
        model: Whose rows.
        select: Relations to read along.
        ordering: The order without `?ordering`, a field with an optional minus.
        ordering_fields: The fields that `?ordering` takes.
        permission_actions: The permission's verb of a method of one's own.
    """

    model: ClassVar[type[Model]]
    select: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[str] = "-created_at"
    ordering_fields: ClassVar[tuple[str, ...]] = ("created_at",)
    permission_actions: ClassVar[dict[str, str]] = {}
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse names in `?fields` that no row has, before it is known whether there are rows.

        Raises:
            ValidationError: There is no such field.
        """
        super().initial(request, *args, **kwargs)
        if wanted := field_names(request.query_params.get("fields", "")):
            known: Any = self.get_serializer_class()
            if unknown := sorted(wanted - set(known.Meta.fields)):
                raise ValidationError({"fields": f"There is no field {', '.join(unknown)}."})

    def known_parameters(self) -> frozenset[str] | None:
        """Leave lists to their filters; one row can be asked for in part."""
        if self.action == "list":
            return None
        own = super().known_parameters() or frozenset()
        return own | ({"fields"} if self.request.method in _READS else set())

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows on which the caller may do this; a foreign one is a missing one."""
        rows = self.model._default_manager.all()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        action = permission_action(self.request, self) or "view"
        visible: QuerySet[Any] = rows.restrict(self.principal, action)  # type: ignore[attr-defined]
        return visible.select_related(*self.select) if self.select else visible

    def current_ordering(self, request: Request) -> str:
        """Return the order asked for.

        Raises:
            ValidationError: The list cannot be ordered by it.
        """
        wanted = request.query_params.get("ordering", self.ordering)
        if wanted != self.ordering and wanted.removeprefix("-") not in self.ordering_fields:
            allowed = ", ".join(self.ordering_fields)
            raise ValidationError(
                {"ordering": f"Order by one of {allowed}, with an optional minus."}
            )
        return wanted


class ReadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ScopedViewSet):
    """Rows that are read here and written elsewhere."""


class WriteViewSet(mixins.CreateModelMixin, mixins.UpdateModelMixin, ReadViewSet):
    """Rows that are read, created and changed; `perform_*` calls a service."""
