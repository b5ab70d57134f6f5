"""What stands in the way of installing a set of requirements on a target.

One module a stage: ``inputs`` reads what is asked about, ``resolve`` turns loose requirements into
a closure, ``listing`` asks the package index quickly, ``facts`` gathers what is known of each
package, ``judge`` says what it means, and the reports print it. Where a package comes from is
decided by :class:`zport.resolve.providers.Resolver` alone, as for a build.
"""
