"""From an archive of face images, downloaded or drawn, to clean dataset files."""
