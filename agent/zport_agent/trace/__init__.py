"""Traces of a model in MLModelScope's levels: run, counted, and written as spans.

The toolkit imports ``levels``, which therefore imports nothing.
"""
