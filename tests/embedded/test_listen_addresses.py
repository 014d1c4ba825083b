from __future__ import annotations

import pytest

from urfmp.embedded.demo.listen_addresses import ListenAddresses, choose_addresses
from urfmp.embedded.errors import EmbeddedError


def test_choose_addresses_port_in_use_fails(monkeypatch):
    monkeypatch.setattr("urfmp.embedded.demo.listen_addresses.is_free", lambda *_: False)
    with pytest.raises(EmbeddedError, match="PORT="):
        choose_addresses("127.0.0.1", 8123)


def test_listen_addresses_for_other_machines(monkeypatch):
    for name in ("WEB_ORIGIN", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    addresses = ListenAddresses("0.0.0.0", "192.0.2.7", 8000, 8001, 8002, 8003)
    variables = addresses.environment()
    assert variables["WEB_ORIGIN"] == "http://192.0.2.7:8000"
    assert "192.0.2.7" in variables["ALLOWED_HOSTS"].split(",")
    assert "0.0.0.0" not in variables["ALLOWED_HOSTS"].split(",")
    assert variables["TRUST_PROXY"] == "True"
    assert addresses.local_origin == "http://127.0.0.1:8000"
    proxy = addresses.proxy_environment()
    assert proxy["PROXY_BIND"] == "bind 0.0.0.0"
    assert (proxy["PROXY_WEB"], proxy["PROXY_LIVE"]) == ("127.0.0.1:8001", "127.0.0.1:8002")
