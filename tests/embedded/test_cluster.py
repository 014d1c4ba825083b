from __future__ import annotations

from pathlib import Path

import pytest

from urfmp.embedded.servers.cluster import postgresql_conf

GIGABYTE = 1024**3


@pytest.mark.parametrize(
    ("memory", "buffers"), [(GIGABYTE // 2, 128), (4 * GIGABYTE, 512), (64 * GIGABYTE, 1024)]
)
def test_postgresql_conf_shared_buffers_follow_memory(memory, buffers):
    text = postgresql_conf(Path("/s"), memory, 2)
    assert f"shared_buffers = {buffers}MB" in text
    assert "synchronous_commit = on" in text
