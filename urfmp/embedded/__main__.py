"""Entry point of `python -m urfmp.embedded COMMAND`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        # Imported here so that Ctrl-C during the import exits without a traceback too.
        from urfmp.embedded.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
