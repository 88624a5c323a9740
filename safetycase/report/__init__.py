"""The report of a case: one view of record and verdict, as HTML, PDF and terminal text."""
