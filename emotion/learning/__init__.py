"""Training: batches, augmentation, schedules, checkpoints and the training loop, in Keras."""
