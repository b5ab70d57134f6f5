"""The plan as a workflow of a CI system: who builds what on which machine, in which order.

One module a stage: ``tasks`` makes a graph of tasks out of the planned steps, ``rendering`` fills
the system's template in ``ci/`` with it, and ``references`` reads the result back and refuses one
whose tasks or artefacts do not hang together. What the tasks run is ``zport step`` (``steps``, with
the registry as the cache of ``cache``), ``matrix``, ``publish`` and ``report``.
"""
