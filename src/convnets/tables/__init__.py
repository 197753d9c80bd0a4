"""From a table to a `TableSet`, and `TableEncoder` and `Target`, which travel with the model.

Begin with `table_set.py`, then `load_table.py` and `table_encoder.py`.

Order, highest first; each imports only from below:

- table_encoder
- load_table · target
- arrow_csv · tables_in_memory
- column_encoders · column_reading · csv_file
- encoded_rows · quantiles · room · table_options · table_set · values
"""
