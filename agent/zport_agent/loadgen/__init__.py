"""LoadGen: its settings, a run of a scenario over a model, and what it wrote.

The toolkit imports ``conf``, ``names`` and ``settings``, which therefore import no NumPy.
"""
