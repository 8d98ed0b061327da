"""The one way numbers come in: asks over blocks of hospitals, their pauses, incidents and records."""
