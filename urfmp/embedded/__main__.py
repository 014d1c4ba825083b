"""`python -m urfmp.embedded COMMAND`: the local services from a shell or the Makefile."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        # Imported here so that Ctrl-C during the import ends without a traceback too.
        from urfmp.embedded.cli import main

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
