"""MLPerf Inference submissions: a tree of the open division from LoadGen's real logs.

``runs`` collects what ``zport bench`` keeps, ``checks`` says what the official checker would
refuse, ``system`` and ``measurements`` describe it, ``assemble`` puts it together, ``accuracy``
cuts and hashes the accuracy logs, ``readme`` tells of it all, and ``tree`` lays it out. What is
asked of whom is data: ``rules.toml``.
"""
