"""MLModelScope's trace levels by name. Read by the toolkit too, so it imports nothing."""

APPLICATION, MODEL, FRAMEWORK = "APPLICATION_TRACE", "MODEL_TRACE", "FRAMEWORK_TRACE"
COUNTED = ("ML_LIBRARY_TRACE", "SYSTEM_LIBRARY_TRACE", "HARDWARE_TRACE")
LEVELS = (APPLICATION, MODEL, FRAMEWORK, *COUNTED)
"""Outermost first, as MLModelScope orders them; its NO_TRACE and FULL_TRACE are none and all."""


def parse_levels(text: str) -> tuple[str, ...]:
    """The levels of a name such as ``framework`` or ``FRAMEWORK_TRACE``; of ``full``, all.

    Raises ValueError for another.
    """
    name = text.upper().replace("-", "_").removesuffix("_TRACE")
    if name == "FULL":
        return LEVELS
    level = f"{name}_TRACE"
    if level not in LEVELS:
        known = ", ".join(one.removesuffix("_TRACE").lower() for one in LEVELS)
        raise ValueError(f"expected full or one of {known}, found '{text}'")
    return (level,)
