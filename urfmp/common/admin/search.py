"""Searching lists that grow for years: by words in the newest rows, by the robot in all of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from urfmp.common.admin.visibility import restricted

# Words can stand anywhere in a text, so each row has to be read; so many are read in a moment.
_MAX_ROWS_SEARCHED = 50_000
_FOUND, _ROBOTS = 1_000, 200


class RecentRowsSearchMixin:
    """Search texts in the newest rows, and names of robots whatever the age of their rows.

    What the list's filters have left is searched: with a filter by state, robot or time the
    newest rows reach further back.

    Attributes:
        search_text_fields: The model's own columns in which words are looked for.
        recency_field: The column that says which rows are the newest.
    """

    search_text_fields: ClassVar[tuple[str, ...]] = ()
    recency_field: ClassVar[str] = "created_at"
    search_help_text = "Robot, or words of the newest rows"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that are found; at most three short queries before the list's own."""
        if not search_term.strip():
            return queryset, False
        newest = queryset.order_by(f"-{self.recency_field}")
        found = {*self._by_robot(request, newest, search_term.strip())}
        if self.search_text_fields:
            found |= {*self._by_words(newest, search_term.split())}
        return queryset.filter(pk__in=found), False

    def _by_robot(self, request: HttpRequest, newest: QuerySet[Any], words: str) -> Any:
        robots = restricted(newest.model._meta.get_field("robot").remote_field.model, request)
        named = robots.filter(Q(name__icontains=words) | Q(serial_number__icontains=words))
        ids = list(named.order_by().values_list("pk", flat=True)[:_ROBOTS])
        rows = newest.filter(robot_id__in=ids) if ids else newest.none()
        return rows.values_list("pk", flat=True)[:_FOUND]

    def _by_words(self, newest: QuerySet[Any], words: list[str]) -> list[Any]:
        rows = newest.select_related(None).values("id", *self.search_text_fields)[
            :_MAX_ROWS_SEARCHED
        ]
        inner, values = rows.query.sql_with_params()
        text = ", ".join(
            f"newest.{connection.ops.quote_name(name)}" for name in self.search_text_fields
        )
        condition = " AND ".join(f"concat_ws(' ', {text}) ILIKE %s" for _ in words)
        patterns = [f"%{connection.ops.prep_for_like_query(word)}%" for word in words]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT newest.id FROM ({inner}) AS newest WHERE {condition} LIMIT {_FOUND}",  # noqa: S608
                [*values, *patterns],
            )
            return [row[0] for row in cursor.fetchall()]
