"""Traces of a model in MLModelScope's levels. The toolkit imports from here too."""
