"""The results store: what every run found, in one SQLite file that several runs may write at once.

``build/results/results.sqlite`` has all that the ``run-N.json`` files beside it have, and what was
written by runs that did not come to their end. It can be deleted: it is made again from those
files, without what was in no file.
"""

from __future__ import annotations

from zport.results.circumstances import Circumstances, circumstances
from zport.results.collect import open_results, store_path
from zport.results.store import Store

__all__ = ["Circumstances", "Store", "circumstances", "open_results", "store_path"]
