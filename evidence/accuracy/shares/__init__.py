"""What is computed on secret shares beside pooled rows: public data sets, cohorts of the paper's size, the paper's own table."""
