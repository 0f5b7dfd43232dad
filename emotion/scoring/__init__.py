"""Scores millions of pictures with Ray Data: listing, partitions, workers, manifest, summary."""
