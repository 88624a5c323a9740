"""Where units of work are run, one engine a file; results are identical."""
