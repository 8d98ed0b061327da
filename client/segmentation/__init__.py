"""From volumes to organ and tumour masks."""
