"""``python -m zport_agent`` is ``zport-agent``."""

import sys

from zport_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
