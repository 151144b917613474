"""Traffic that has been: recorded, read back, and run once more through the whole pipeline in virtual time."""
