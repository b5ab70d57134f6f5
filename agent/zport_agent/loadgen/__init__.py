"""LoadGen: its settings, a run of a scenario over a model, and what it wrote."""
