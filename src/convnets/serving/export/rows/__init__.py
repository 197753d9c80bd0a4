"""Models of tables and series for other programs: their encoder goes into the file.

Begin with `exported_rows.py`.
"""
