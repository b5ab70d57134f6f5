"""zport trace: where the time of a model's run goes, level by level.

The agent program writes the trace in its image (:mod:`zport.trace.run`), in OpenTelemetry's format;
:mod:`zport.trace.spans` reads it, :mod:`zport.trace.summary` adds it up, and the views are
:mod:`zport.trace.table`, :mod:`zport.trace.chrome` and :mod:`zport.trace.flame`.
"""
