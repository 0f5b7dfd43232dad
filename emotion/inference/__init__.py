"""What users call: find faces in images and videos, and predict their expressions with the exported network."""
