"""Figures and the model card, drawn from the files that a run left."""
