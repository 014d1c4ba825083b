"""Rotation of refresh tokens against a model in plain Python."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.accounts.exceptions import InvalidRefreshTokenError
from apps.accounts.models import UserSession
from apps.accounts.selectors.api_tokens import access_credential, record_token_use
from apps.accounts.services.api_tokens import token_pair_issue, token_pair_rotate
from urfmp.common.tenancy.context import tenant_transaction


class Model(RuleBasedStateMachine):
    """A session is one chain of pairs. A rotated token repeats its successor, or ends the chain."""

    issue = None  # logs in; set by the test
    rotate = None
    organization_id = None

    def __init__(self):
        super().__init__()
        self.now = timezone.now()
        self.pairs = [type(self).issue()]
        self.rotated_at: list[datetime | None] = [None]
        self.used_at: list[datetime | None] = [None]
        self.is_revoked = False

    def _age(self, time):
        return (self.now - time).total_seconds()

    def _is_reuse(self, index):
        if self._age(self.rotated_at[index]) >= 120 or self.rotated_at[index + 1] is not None:
            return True
        used_at = self.used_at[index + 1]
        return used_at is not None and self._age(used_at) >= 10

    @rule(seconds=st.sampled_from([0.5, 4, 9.5, 10, 13, 60, 119.5, 120]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(back=st.integers(0, 3), is_response_lost=st.booleans())
    def refresh(self, back, is_response_lost):
        """Send the newest token or an older one, as a client or as a thief would."""
        index = max(0, len(self.pairs) - 1 - back)
        try:
            with patch("apps.accounts.services.api_tokens.timezone.now", lambda: self.now):
                found = type(self).rotate(self.pairs[index].refresh_token)
        except InvalidRefreshTokenError:
            found = None
        if self.is_revoked or (self.rotated_at[index] is not None and self._is_reuse(index)):
            self.is_revoked = True
            assert found is None
        elif self.rotated_at[index] is None:
            assert found not in self.pairs
            self.pairs.append(found)
            self.rotated_at[index] = self.now
            self.rotated_at.append(None)
            self.used_at.append(None)
        else:
            assert found == self.pairs[index + 1]
        if found is not None and not is_response_lost:
            self._use(index + 1)

    @rule(back=st.integers(0, 3))
    def use(self, back):
        self._use(max(0, len(self.pairs) - 1 - back))

    def _use(self, index):
        credential = access_credential(self.pairs[index].access_token)
        assert (credential is None) == self.is_revoked
        if credential is not None:
            with patch("apps.accounts.selectors.api_tokens.timezone.now", lambda: self.now):
                record_token_use(credential)
            if index > 0 and self.used_at[index] is None:
                self.used_at[index] = self.now

    @invariant()
    def chain_has_no_forks(self):
        with tenant_transaction(self.organization_id):
            parents = list(UserSession.objects.values_list("parent_id", flat=True))
        assert len(parents) == (0 if self.is_revoked else len(self.pairs))
        assert len(parents) == len(set(parents))

    def teardown(self):
        with tenant_transaction(self.organization_id):
            UserSession.objects.all().delete()


@pytest.mark.django_db
def test_rotation_matches_model(bob, organization_a, actor):
    Model.issue = staticmethod(lambda: token_pair_issue(bob, actor))
    Model.rotate = staticmethod(lambda token: token_pair_rotate(token, actor))
    Model.organization_id = organization_a.pk
    run_state_machine_as_test(
        Model,
        settings=hypothesis_settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
