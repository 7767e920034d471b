"""FAISS scans over vectors and bit codes that the pipelines build their galleries from."""
