"""What is fetched: a recipe's source of each of the ``kinds`` (``pypi``, Debian's, ``git``), its
``patches``, packages and wheels; brought by ``fetch`` whole and checked.
"""
