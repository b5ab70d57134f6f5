"""The matrix: every model in every agent image on every target, with its numbers compared."""
