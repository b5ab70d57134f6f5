"""``python -m zport``."""

from zport.cli import main

main()
