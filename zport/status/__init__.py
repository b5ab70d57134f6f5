"""Does it run there: what is known of every package that was looked at, on one page.

``records`` keeps in ``porting/status.json`` what ran in a build folder, ``gather`` joins it with
what the project holds (recipes, patches, suites, defects, judged audits), ``page`` prints it.
"""
