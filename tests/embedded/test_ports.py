from __future__ import annotations

from urfmp.embedded.system.ports import free_port, is_free


def test_free_port_is_free():
    port = free_port()
    assert is_free(port)
