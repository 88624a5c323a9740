"""Makes a case: binds, measures, identifies, intervenes, measures again.

The only place that knows torch.
"""
