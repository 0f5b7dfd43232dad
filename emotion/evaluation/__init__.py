"""How good a network is: metrics, intervals, calibration, robustness, saliency and label issues."""
