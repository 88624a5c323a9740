"""The verifier: a pure function of bytes, policy and time; no weights, no network, no clock."""
