"""The report as files to paste from: figures, tables, one Word document, a methods paragraph and a TRIPOD+AI checklist."""
