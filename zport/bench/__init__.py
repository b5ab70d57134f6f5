"""Benchmarks: MLPerf's scenarios over models, agents, targets, threads, batches and CPU levels.

``sweep`` makes the points, ``run`` has them run as the matrix runs its cells, ``record`` keeps what
came of each, ``table`` prints it.
"""
