"""Files in and out: each format one module."""
