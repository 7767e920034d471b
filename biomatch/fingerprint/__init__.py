"""Fingerprint: image -> FingerprintTemplate -> score."""
