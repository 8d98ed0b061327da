"""What a hospital may put into its own picture archive: segmentations. A research score never goes there."""
