from __future__ import annotations

from urfmp.embedded.system.supervisor import describe_exit


def test_describe_exit_names_code_or_signal():
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "killed by SIGKILL"
