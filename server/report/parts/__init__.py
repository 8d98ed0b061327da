"""The parts of the report, one file each; `server.report.list_of_parts` lists them in the order of reading."""
