"""Settings of a process whose clock is five minutes slow."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from tests.settings import *

_now, _time = timezone.now, time.time
timezone.now = lambda: _now() - timedelta(minutes=5)
time.time = lambda: _time() - 300
