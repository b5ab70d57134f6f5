"""zport diff: the first operator whose output differs between two sides, and who is wrong.

A subject (:mod:`zport.diff.subject`) runs on two sides (:mod:`zport.diff.sides`) in containers
(:mod:`zport.diff.containers`); :mod:`zport.diff.search` decides what is run and looked at next,
and :mod:`zport.diff.report` prints and keeps what was found.
"""
