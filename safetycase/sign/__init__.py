"""Signing: the only package that holds private keys."""
