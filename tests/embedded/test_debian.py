from __future__ import annotations

from urfmp.embedded.programs.debian import Package, parse_targets, parse_uris


def test_parse_targets_selects_debian_main():
    text = "\n".join(
        [
            "Packages|deb|main|Debian|Debian-Security|http://one.example/debian-security/",
            "Packages|deb|main|Node Source|Node Source|http://two.example/",
            "Packages|deb|contrib|Debian|Debian|http://three.example/debian/",
            "Packages|deb|main|Debian|Debian|http://three.example/debian/",
            "Packages|deb|main|Debian|Debian|http://three.example/debian/",
            "Translations|deb|main|Debian|Debian|http://four.example/debian/",
        ]
    )
    assert parse_targets(text) == ["http://three.example/debian/"]


def test_parse_targets_without_lists_returns_candidates():
    text = "\n".join(
        [
            "Packages|deb|main|$(ORIGIN)|$(LABEL)|http://one.example/other/",
            "Packages|deb|main|$(ORIGIN)|$(LABEL)|http://two.example/debian/",
        ]
    )
    assert parse_targets(text) == ["http://two.example/debian/", "http://one.example/other/"]


def test_parse_uris_returns_packages():
    text = "'http://x.example/a.deb' libc6_2.41-12%3a1_amd64.deb 2846580 SHA256:ab\nnoise\n"
    assert parse_uris(text) == [Package("libc6", "libc6_2.41-12%3a1_amd64.deb", 2846580)]
