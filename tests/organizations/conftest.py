from __future__ import annotations

from tests.accounts.conftest import api_post, run_jobs  # noqa: F401 - fixtures
