"""The parts of the report, one file each; `server.report.contents` lists them in the order of reading."""
