"""Makes a case: binds, measures, identifies, intervenes, measures again. The only home of torch."""
