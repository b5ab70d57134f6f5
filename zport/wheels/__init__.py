"""Built wheels: taken over as they are ``built``, held to ``wheel_check``, with an ``sbom`` that
tells what is ``bundled``, and laid in an ``index`` for pip.
"""
