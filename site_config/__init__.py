"""What a site and a study declare: problems, documents, tables, identity, the journal."""
