"""The names of a LoadGen run: its scenario, its mode, and what its settings start from.

The command line and the toolkit on the host read this module, so it imports nothing that costs.
"""

from typing import Literal, TypeAlias, get_args

Scenario: TypeAlias = Literal["SingleStream", "MultiStream", "Server", "Offline"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
Basis: TypeAlias = Literal["mlperf", "manifest", "emulation"]
"""What the settings start from: MLPerf's rules, the manifest's own block, or the fewest queries
that LoadGen may call VALID, for machines on which anything else takes hours."""
BASES: tuple[Basis, ...] = ("manifest", "mlperf", "emulation")
Mode: TypeAlias = Literal["performance", "accuracy", "find-peak"]
