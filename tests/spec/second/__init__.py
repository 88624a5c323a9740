"""A second verifier, written from docs/spec/v1.md and the published schemas alone.

Plain Python and its standard library, and quantiles of scipy where items come in clusters:
nothing of `safetycase` is imported here, so that what the two agree on is what the text says.
It makes the results, the argument and the limitations of a record again, for cases without
exclusions, judges, people's labels or neighbours, whose axes add and find a feature; it refuses
others. Left out are signatures, traces and renderings, and the checks that look for traces of
made-up rows.
"""
