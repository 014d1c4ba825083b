from __future__ import annotations

from urfmp.embedded.demo.static_files import is_collected, mark_collected


def test_is_collected_is_false_after_change(tmp_path):
    source = tmp_path / "apps/robots/static/a.css"
    source.parent.mkdir(parents=True)
    source.write_text("a")
    static = tmp_path / "collected"
    static.mkdir()
    assert not is_collected(tmp_path, static)
    mark_collected(tmp_path, static)
    assert is_collected(tmp_path, static)
    source.write_text("changed")
    assert not is_collected(tmp_path, static)
