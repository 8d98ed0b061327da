"""Masks that people and other programs made: NIfTI, TotalSegmentator folders, RTSTRUCT, DICOM SEG."""
