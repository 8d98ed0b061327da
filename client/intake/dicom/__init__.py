"""Reading DICOM headers quickly."""
