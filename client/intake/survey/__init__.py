"""`data scan`: what the images folder holds and the scans.csv it suggests. Nothing is chosen that a person should choose."""
