"""What a series' free texts say: contrast phase, kernel, region, kind of image. Nothing of them leaves the hospital."""
