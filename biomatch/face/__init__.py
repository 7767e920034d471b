"""Face: image -> FaceTemplate(s) -> score."""
