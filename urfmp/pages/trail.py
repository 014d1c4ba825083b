"""Titles and breadcrumbs of the pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils.text import capfirst

SITE_TITLE = "URFMP"


@dataclass(frozen=True)
class Trail:
    """Where a page is.

    Attributes:
        parents: Name and address of each page above it, the topmost first.
        title: Name of the page itself.
    """

    parents: tuple[tuple[str, str], ...]
    title: str

    @property
    def document_title(self) -> str:
        """Text of the browser tab, the most specific name first."""
        names = [self.title, *(name for name, _ in reversed(self.parents)), SITE_TITLE]
        return " | ".join(dict.fromkeys(names))


def page_trail(context: Any) -> Trail:
    """Return the trail of the page that a template context renders.

    A view sets `trail` to name its parents. Pages of a model are named after its row.
    """
    title = str(context.get("title") or SITE_TITLE)
    opts = context.get("opts")
    if opts is None or "trail" in context:
        return Trail(tuple(context.get("trail") or ()), title)
    plural = str(capfirst(opts.verbose_name_plural))
    if context.get("cl") is not None:
        return Trail((), plural)
    prefix = f"admin:{opts.app_label}_{opts.model_name}"
    has_list = getattr(admin.site.get_model_admin(opts.model), "has_list", True)
    parents = ((plural, reverse(f"{prefix}_changelist")),) if has_list else ()
    row = _row(context)
    if row is None:
        return Trail(parents, title)
    is_form = "adminform" in context
    overview = context.get("overview_address")
    if is_form and not overview:
        return Trail(parents, str(row))
    own_page = overview or reverse(f"{prefix}_change", args=[row.pk])
    return Trail((*parents, (str(row), own_page)), "Settings" if is_form else _kind(context))


def _row(context: Any) -> Model | None:
    candidates = (context.get("original"), context.get("object"))
    return next((row for row in candidates if isinstance(row, Model)), None)


def _kind(context: Any) -> str:
    """Return what a page beside a row's own shows."""
    if action := context.get("action"):
        return str(action.label)
    return "Delete" if "deleted_objects" in context else str(context.get("title") or "")
