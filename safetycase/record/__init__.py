"""What a plan and a case say: frozen models, one sentence per field, no behaviour."""
