"""Where in a source the byte order is wrong.

One module a stage: ``inputs`` finds the source, ``files`` hands out its files, ``source`` parses
one, ``conditionals`` says what of it is compiled, ``rules`` are the patterns (``porting/rules/``),
with the ``predicates`` that a query cannot express, ``examine`` applies them, ``project`` looks
across files, ``accepted`` takes out what a person has accepted, and the reports print the rest.
"""
