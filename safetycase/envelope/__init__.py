"""Who says so: envelopes, statements, public keys and the signers a user trusts."""
