"""Tables of others: JSON lines, CSV, TSV and Parquet as rows with named columns, in bounded memory."""
