"""The plan: a ``planner`` makes every step of a request, those of a ``wheel`` too, for the machine
and targets of a ``scope``, on the first root that its ``origin`` gives.
"""
