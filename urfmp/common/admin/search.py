"""Search in lists that grow for years."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from urfmp.common.admin.visibility import restricted
from urfmp.common.db.names import normalize_name

# A substring match has to read every row; this many take well under a second.
_MAX_ROWS_SEARCHED = 50_000
_MAX_FOUND = 1_000
_MAX_ROBOTS = 200


class RecentRowsSearchMixin:
    """Searches texts in recent rows, and robots in all rows.

    The search applies to the filtered rows: with a filter by state, robot or time it reaches
    further back.

    Attributes:
        search_text_fields: The model's own text columns to search.
        recency_field: Column that orders rows by age.
    """

    search_text_fields: ClassVar[tuple[str, ...]] = ()
    recency_field: ClassVar[str] = "created_at"
    search_help_text = "Robot, or words in recent rows"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the matching rows.

        Takes at most three short queries before the list's own.
        """
        if not (search_term := normalize_name(search_term)):
            return queryset, False
        newest = queryset.order_by(f"-{self.recency_field}")
        found = {*self._by_robot(request, newest, search_term)}
        if self.search_text_fields:
            found |= {*self._by_words(newest, search_term.split())}
        return queryset.filter(pk__in=found), False

    def _by_robot(self, request: HttpRequest, newest: QuerySet[Any], words: str) -> Any:
        robots = restricted(newest.model._meta.get_field("robot").remote_field.model, request)
        named = robots.filter(Q(name__icontains=words) | Q(serial_number__icontains=words))
        ids = list(named.order_by().values_list("pk", flat=True)[:_MAX_ROBOTS])
        rows = newest.filter(robot_id__in=ids) if ids else newest.none()
        return rows.values_list("pk", flat=True)[:_MAX_FOUND]

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
                f"SELECT newest.id FROM ({inner}) AS newest WHERE {condition} LIMIT {_MAX_FOUND}",  # noqa: S608
                [*values, *patterns],
            )
            return [row[0] for row in cursor.fetchall()]
